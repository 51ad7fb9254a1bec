"""`python -m bench.mixed`: requests of several kinds on keep-alive connections, each one timed.

As bench.load, on which it stands: one process, raw sockets. Reads one JSON object, writes one.
"""

from __future__ import annotations

import json
import random
import re
import selectors
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from .load import Connection

_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_LOCATION = re.compile(rb"\r\nlocation: *(\S+)\r\n", re.IGNORECASE)

Request = tuple[str, bytes]
"""Its kind, and its bytes."""


class Timed(Connection):
    """Sends what it is told to, and remembers how the answer was."""

    def __init__(self, port: int) -> None:
        super().__init__(port, b"", 0)
        self.kind, self.status, self.location, self.began = "", 0, "", 0.0

    def ask(self, request: Request) -> None:
        """Send a request; the clock starts."""
        self.kind, self._request = request
        self.began = time.perf_counter()
        self.send()

    def _checked(self, head: bytes) -> int:
        status, length = _STATUS.match(head), _LENGTH.search(head)
        if not status or not length:
            raise RuntimeError(f"not an answer: {head[:200]!r}")
        location = _LOCATION.search(head)
        self.status = int(status.group(1))
        self.location = location.group(1).decode() if location else ""
        return int(length.group(1))


class Told:
    """What was answered."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self.statuses: dict[str, Counter[int]] = defaultdict(Counter)
        self.locations: list[str] = []

    def take(self, one: Timed) -> None:
        """Count an answer."""
        self.seconds[one.kind].append(time.perf_counter() - one.began)
        self.statuses[one.kind][one.status] += 1
        self.locations += [one.location] if one.location else []


def mixed(
    port: int, token: str, kinds: dict[str, dict[str, Any]], seconds: float, connections: int
) -> dict[str, Any]:
    """Ask at random, by the kinds' shares, until the time is over and all is answered."""
    requests = _requests(port, token, kinds)
    told = Told()
    buffer = bytearray(1 << 18)
    with selectors.DefaultSelector() as ready:
        for _ in range(connections):
            one = Timed(port)
            ready.register(one.socket, selectors.EVENT_READ, one)
            one.ask(next(requests))
        until = time.perf_counter() + seconds
        while ready.get_map():
            waiting = ready.select(timeout=60)
            if not waiting:
                raise RuntimeError("no answer for a minute")
            for one in (key.data for key, _ in waiting if key.data.receive(buffer)):
                told.take(one)
                if time.perf_counter() < until:
                    one.ask(next(requests))
                else:
                    ready.unregister(one.socket)
                    one.socket.close()
    return vars(told)


def _requests(port: int, token: str, kinds: dict[str, dict[str, Any]]) -> Iterator[Request]:
    chance = random.Random(7)
    names = list(kinds)
    shares = [kinds[name]["share"] for name in names]
    made = {
        name: [_request(port, token, asked) for asked in kind["asked"]]
        for name, kind in kinds.items()
    }
    while True:
        (name,) = chance.choices(names, shares)
        yield name, chance.choice(made[name])


def _request(port: int, token: str, asked: Sequence[Any]) -> bytes:
    path, body = asked
    data = json.dumps(body).encode() if body else b""
    lines = [f"{'POST' if body else 'GET'} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
    lines.append(f"Authorization: Bearer {token}")
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(data)}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + data


if __name__ == "__main__":
    json.dump(mixed(**json.load(sys.stdin)), sys.stdout)
