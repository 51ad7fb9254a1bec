"""A gateway before a tracking server that takes exception to our tags, in several ways."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.servers import DIRECT

HANG = "hang"


@contextmanager
def gateway(target: str) -> Iterator[str]:
    """Its URL. Below `/CALL/HOW`, a CALL that names our tags is answered as HOW says.

    CALL is `create`, `log-batch` …; HOW is a status, or `hang`.
    """
    closing = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def forward(self) -> None:
            _, call, how, path = self.path.split("/", 3)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if path.endswith(f"/runs/{call}") and b'"evidence.' in body:
                if how == HANG:
                    closing.wait(60)
                    return
                self.reply(int(how), b"not here")
            else:
                self.reply(*self.upstream(f"{target}/{path}", body))

        do_GET = do_POST = do_PATCH = do_DELETE = forward

        def upstream(self, url: str, body: bytes) -> tuple[int, bytes]:
            kind = {"Content-Type": self.headers.get("Content-Type") or "application/json"}
            request = urllib.request.Request(url, body or None, kind, method=self.command)
            try:
                with DIRECT.open(request, timeout=60) as answer:
                    return answer.status, answer.read()
            except urllib.error.HTTPError as error:
                return error.code, error.read()

        def reply(self, status: int, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        closing.set()
        server.shutdown()
        server.server_close()
