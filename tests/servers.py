"""Real servers for tests: MLflow's own tracking server, and a proxy which records its traffic."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

START_SECONDS = 90
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Opens URLs without the proxies that the environment may name."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def mlflow_server(
    directory: Path, *options: str, python: str = sys.executable, **env: str
) -> Iterator[str]:
    """A tracking server with its database, artifacts and `server.log` in `directory`: its URL.

    `options` are further ones of `mlflow server`, `python` is that of another environment, `env`
    adds to this process's environment (`MLFLOW_WEBHOOK_ALLOWED_SCHEMES="http,https"`).
    A directory used before is taken up again with its runs, so a server can be restarted.
    """
    directory.mkdir(parents=True, exist_ok=True)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with (directory / "server.log").open("ab") as log:
        server = subprocess.Popen(
            [python, *_command(directory, port), *options],
            cwd=directory,
            env=_environment(env),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that its workers can be ended with it
        )
    try:
        _wait_until_healthy(url, server, directory / "server.log")
        yield url
    finally:
        _end_group(server)


def _command(directory: Path, port: int) -> list[str]:
    options = {
        "--host": "127.0.0.1",
        "--port": str(port),
        "--backend-store-uri": f"sqlite:///{directory / 'mlflow.db'}",
        "--artifacts-destination": str(directory / "artifacts"),
        "--workers": "1",
    }
    flat = [part for option in options.items() for part in option]
    return ["-m", "mlflow", "server", *flat, "--serve-artifacts"]


def _environment(env: dict[str, str]) -> dict[str, str]:
    # What the caller's shell says about tracking must not reach the server under test.
    mine = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "EVIDENCE_"))}
    # Its runner of background jobs is seven more processes, and no part of tracking.
    lean = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    return {**mine, **lean, **env}


def _wait_until_healthy(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with DIRECT.open(f"{url}/health", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError(f"no tracking server at {url}:\n{log.read_text('utf-8', 'replace')[-4000:]}")


def _end_group(server: subprocess.Popen[bytes]) -> None:
    for signum in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(server.pid, signum)
            server.wait(timeout=5)
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            continue
    server.wait()


@dataclass(frozen=True)
class Recorded:
    """One request as the proxy saw it."""

    method: str
    path: str
    headers: Message
    body: bytes = b""


@contextmanager
def recording_proxy(target: str) -> Iterator[tuple[str, list[Recorded]]]:
    """A forwarder in front of `target`: its URL, and the list that its requests go to."""
    seen: list[Recorded] = []
    upstream = urlsplit(target).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            seen.append(Recorded(self.command, self.path, self.headers, body))
            onward = http.client.HTTPConnection(upstream, timeout=60)
            headers = {**dict(self.headers.items()), "Host": upstream, "Connection": "close"}
            onward.request(self.command, self.path, body=body or None, headers=headers)
            answer = onward.getresponse()
            content = answer.read()
            onward.close()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in HOP_BY_HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = forward

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", seen
    finally:
        server.shutdown()
        server.server_close()


HOP_BY_HOP = {"connection", "content-length", "date", "keep-alive", "server", "transfer-encoding"}
