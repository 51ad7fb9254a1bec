"""The service as an operator starts it: real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow_evidence_plugin.settings import MLFLOW_CLIENT
from tests.servers import DIRECT, free_port

CHECKOUT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Running:
    """A service that answers."""

    process: subprocess.Popen[bytes]
    url: str
    token: str

    def get(self, path: str) -> Any:
        return self._ask(urllib.request.Request(self.url + path))

    def post(self, path: str, body: Any, wait: int = 0) -> Any:
        headers = {"Content-Type": "application/json", "Prefer": f"wait={wait}"}
        data = json.dumps(body).encode()
        return self._ask(urllib.request.Request(self.url + path, data, headers))

    def _ask(self, request: urllib.request.Request) -> Any:
        request.add_header("Authorization", f"Bearer {self.token}")
        with DIRECT.open(request, timeout=60) as answer:
            return json.load(answer)


def start(home: Path, *args: str, **env: str) -> subprocess.Popen[bytes]:
    """`python -m api …` in a process group of its own; its log is `home/../<name>.log`."""
    home.parent.mkdir(parents=True, exist_ok=True)
    known = {"HOME": str(home), **env}
    said = {k if k in MLFLOW_CLIENT else f"EVIDENCE_SERVICE_{k}": v for k, v in known.items()}
    mine = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "EVIDENCE_"))}
    with (home.parent / f"{home.name}.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "api", *args],
            cwd=CHECKOUT,
            env={**mine, **said},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


@contextmanager
def running(home: Path, **env: str) -> Iterator[Running]:
    """The whole service, web and worker, on a free port; nothing of it is left behind."""
    port = free_port()
    options = ("--port", str(port), "--web-workers", "1", "--threads", "4")
    process = start(home, *options, **env)
    url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: answers(url) or process.poll() is not None, 90)
        said = (home.parent / f"{home.name}.log").read_text("utf-8", "replace")
        assert process.poll() is None, said
        yield Running(process, url, (home / "token").read_text().strip())
    finally:
        end(process)


def answers(url: str) -> bool:
    try:
        with DIRECT.open(f"{url}/readyz", timeout=2) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def until(happened: Callable[[], Any], seconds: float) -> Any:
    """Wait for something to become true; what it then is."""
    deadline = time.monotonic() + seconds
    while not (found := happened()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
    return found


def members(process: subprocess.Popen[bytes]) -> list[int]:
    """Ids of the processes that live in the process's group."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, group = stat.read_text().rpartition(") ")[2].split()[:3]
        except OSError:
            continue  # ended while we looked
        if int(group) == process.pid and state != "Z":
            found.append(int(stat.parent.name))
    return found


def command(pid: int) -> list[bytes]:
    """What a process was started with."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and its group, however it stands with them."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
