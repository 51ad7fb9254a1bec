"""Servers that misbehave: a forwarder that meddles, and one that answers rubbish to everything."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True)
class Answer:
    """What a server says. `length` may lie about the body."""

    status: int
    body: bytes
    content_type: str = "application/json"

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def saying(self, document: Any) -> Answer:
        return Answer(self.status, json.dumps(document).encode(), self.content_type)


Forward = Callable[[], Answer]
Meddle = Callable[[str, Forward], Answer]
"""Given `METHOD /path?query` (unquoted) and a way to ask the real server, the answer."""


def honest(_: str, forward: Forward) -> Answer:
    return forward()


class Meddler:
    """A forwarder whose `meddle` may be changed while it runs."""

    def __init__(self, target: str) -> None:
        self.meddle: Meddle = honest
        self.url = ""
        self.upstream = urlsplit(target).netloc

    def forward(self, handler: BaseHTTPRequestHandler, body: bytes) -> Answer:
        onward = http.client.HTTPConnection(self.upstream, timeout=30)
        headers = {**dict(handler.headers.items()), "Host": self.upstream, "Connection": "close"}
        onward.request(handler.command, handler.path, body=body or None, headers=headers)
        answer = onward.getresponse()
        try:
            kind = answer.getheader("Content-Type", "application/octet-stream")
            return Answer(answer.status, answer.read(), kind)
        finally:
            onward.close()


@contextmanager
def meddling(target: str) -> Iterator[Meddler]:
    """A meddler in front of a tracking server."""
    meddler = Meddler(target)

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked = f"{self.command} {unquote(self.path)}"
            said = meddler.meddle(asked, lambda: meddler.forward(self, body))
            try:
                self.send_response(said.status)
                self.send_header("Content-Type", said.content_type)
                self.send_header("Content-Length", str(len(said.body)))
                self.end_headers()
                self.wfile.write(said.body)
            except OSError:
                pass  # the caller has not waited

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True, args=(0.05,)).start()
    meddler.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield meddler
    finally:
        server.shutdown()
        server.server_close()
