"""Real servers, each in a process group of its own which ends with the `with` block."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from signal import SIGKILL, SIGTERM

CHECKOUT = Path(__file__).parents[1]
START_SECONDS = 120
ONE_WORKER = ("--workers", "1")
"""With several, uvicorn's connections wait for delayed acknowledgements: see README.md."""

DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Opens URLs without the proxies that the environment may name."""


def environment(**more: str) -> dict[str, str]:
    """This process's environment without what it says to MLflow and to us."""
    mine = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "EVIDENCE_"))}
    return {**mine, "MLFLOW_DISABLE_TELEMETRY": "true", **more}


@contextmanager
def mlflow_server(folder: Path, *options: str) -> Iterator[str]:
    """`mlflow server` as it comes, or with further options; all that it keeps is in `folder`."""
    folder.mkdir(parents=True)
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"]
    command += ["--artifacts-destination", str(folder / "artifacts"), *options]
    url = f"http://127.0.0.1:{port}"
    with running(command, f"{url}/health", folder, environment()):
        yield url


@contextmanager
def evidence_service(settings: Mapping[str, str], *part: str) -> Iterator[tuple[str, int]]:
    """`python -m api` or one part of it: its URL and process id. Its home must be prepared."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "api", "--port", str(port), *part]
    with running(command, f"{url}/livez", CHECKOUT, environment(**settings)) as pid:
        yield url, pid


@contextmanager
def running(
    command: Sequence[str], health: str, cwd: Path, env: Mapping[str, str]
) -> Iterator[int]:
    """A server's process id, from when `health` answers 200."""
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # so that its workers can be ended with it
    )
    try:
        _wait(health, process)
        yield process.pid
    finally:
        _end_group(process)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def get(url: str, **headers: str) -> bytes:
    """The body of an answer; an error status raises."""
    with DIRECT.open(urllib.request.Request(url, headers=headers), timeout=60) as answer:
        return answer.read()


def _wait(health: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            get(health)
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError(f"did not start: {process.args}")


def _end_group(process: subprocess.Popen[bytes]) -> None:
    for number in (SIGTERM, SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(timeout=10)
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            continue
    process.wait()
