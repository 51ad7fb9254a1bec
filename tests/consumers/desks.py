"""What the doubles of ServiceNow and Jira share: a server that lets in by a password."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Said = tuple[int, Any] | tuple[int, Any, dict[str, str]]


@dataclass
class Asked:
    """One request, as it came in."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Desk:
    """A ticket system. `first` are answers, or seconds, that come before it does its work."""

    user: str
    password: str
    asked: list[Asked] = field(default_factory=list)
    first: list[Said | float | None] = field(default_factory=list)
    url: str = ""

    @property
    def basic(self) -> str:
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()

    def answer(self, asked: Asked) -> Said:
        self.asked.append(asked)
        first = self.first.pop(0) if self.first else None
        if isinstance(first, tuple):
            return first
        if first is not None:
            time.sleep(first)
        if asked.headers.get("authorization") != self.basic:
            return self.unknown()
        return self.work(asked)

    def unknown(self) -> Said:
        raise NotImplementedError

    def work(self, asked: Asked) -> Said:
        raise NotImplementedError


@contextmanager
def opened(desk: Desk) -> Iterator[Desk]:
    """Serve a desk; it closes each connection."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {key.lower(): value for key, value in self.headers.items()}
            parts = urlsplit(self.path)
            query = dict(parse_qsl(parts.query, keep_blank_values=True))
            status, said, *more = desk.answer(Asked(self.command, parts.path, query, headers, body))
            content = json.dumps(said).encode() if said is not None else b""
            self.send_response(status)
            for key, value in (more[0] if more else {}).items():
                self.send_header(key, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(content)
            self.close_connection = True

        do_GET = do_PATCH = do_PUT = do_POST

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    desk.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield desk
    finally:
        server.shutdown()
        server.server_close()
