"""`python -m bench.load`: how many requests a second a server answers, on keep-alive connections.

Raw sockets in one process of its own, and no more parsing than each answer's status and length,
so that the server is what is measured. Reads one JSON object, writes one.
"""

from __future__ import annotations

import json
import re
import selectors
import socket
import statistics
import sys
import time

WARM_SECONDS = 0.5
BETWEEN_SECONDS = 0.02
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


class Connection:
    """One request after the other, each answer checked."""

    def __init__(self, port: int, request: bytes, length: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._request, self._length = request, length
        self._head, self._left = b"", 0
        self.sent = 0.0

    def send(self) -> None:
        """The next request."""
        self.sent = time.perf_counter()
        self.socket.sendall(self._request)

    def receive(self, buffer: bytearray) -> bool:
        """Take what has arrived; whether an answer is complete with it."""
        size = self.socket.recv_into(buffer)
        # A server which sends head and body apart must not wait for our acknowledgement.
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        if not size:
            raise RuntimeError("the server closed a connection")
        if self._left:
            self._left -= size
        else:
            self._head += buffer[:size]
            head, end, body = self._head.partition(b"\r\n\r\n")
            if not end:
                return False
            self._left = self._checked(head + b"\r\n") - len(body)
            self._head = b""
        return self._left == 0

    def _checked(self, head: bytes) -> int:
        length = _LENGTH.search(head)
        if not head.startswith(b"HTTP/1.1 200 ") or not length:
            raise RuntimeError(f"not a plain 200: {head[:200]!r}")
        if int(length.group(1)) != self._length:
            raise RuntimeError(f"{length.group(1)!r} bytes instead of {self._length}")
        return self._length


def _opened(port: int, request: bytes, length: int) -> Connection:
    # One by one, as callers come: of many at once a server's first worker may take all.
    time.sleep(BETWEEN_SECONDS)
    return Connection(port, request, length)


def load(port: int, path: str, token: str, length: int, seconds: float, connections: int) -> dict:
    """Requests per second, the share of one processor that asking took, and milliseconds an answer.

    The latter as median and 99th percentile.
    """
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
    request += f"Authorization: Bearer {token}\r\n\r\n" if token else "\r\n"
    asking = [_opened(port, request.encode(), length) for _ in range(connections)]
    buffer = bytearray(1 << 18)
    with selectors.DefaultSelector() as ready:
        for connection in asking:
            ready.register(connection.socket, selectors.EVENT_READ, connection)
            connection.send()

        def answered(until: float) -> list[float]:
            waits: list[float] = []
            while time.perf_counter() < until:
                for key, _ in ready.select(timeout=1):
                    if key.data.receive(buffer):
                        waits.append(time.perf_counter() - key.data.sent)
                        key.data.send()
            return waits

        answered(time.perf_counter() + WARM_SECONDS)
        began, processor = time.perf_counter(), time.process_time()
        done = answered(began + seconds)
        took = time.perf_counter() - began
    for connection in asking:
        connection.socket.close()
    waits = [1000 * one for one in statistics.quantiles(done, n=100)]
    return {
        "rate": len(done) / took,
        "processor": (time.process_time() - processor) / took,
        "median": waits[49],
        "p99": waits[98],
    }


if __name__ == "__main__":
    json.dump(load(**json.load(sys.stdin)), sys.stdout)
