"""Reading stored evidence, against a static route and against MLflow's own `runs/get`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from . import fixture
from .measure import Row, at_least, interleaved
from .servers import (
    CHECKOUT,
    environment,
    evidence_service,
    free_port,
    get,
    mlflow_server,
    running,
)

CONNECTIONS = 16
SECONDS = 3.0
NEWEST = "/v1/runs/{id}/evidence"


@dataclass(frozen=True)
class Target:
    """What is asked for, and the answer."""

    port: int
    path: str
    token: str
    body: bytes = field(repr=False)


def bench(place: Path, quick: bool) -> list[Row]:
    """The same load on each of the servers, in turns."""
    home = place / "service"
    with ExitStack() as stack:
        url = stack.enter_context(mlflow_server(place / "server"))
        run_id = fixture.make_run(url, place / "files")
        evidence = fixture.make_service(home, url)
        fixture.order(evidence, run_id)()
        fixture.check_whole(evidence, run_id)
        ours, pid = stack.enter_context(evidence_service(fixture.settings_of(home, url), "web"))
        token = (home / "token").read_text().strip()
        newest = _target(ours, f"/v1/runs/{run_id}/evidence", token)
        digest = json.loads(newest.body)["digest"]
        record = _target(ours, f"/v1/bundles/{digest}", token)
        static = stack.enter_context(static_service(pid, record.body, place / "body"))
        targets = {
            "ours": record,
            "newest": newest,
            "static": _target(static, "/body"),
            "mlflow": _target(url, f"/api/2.0/mlflow/runs/get?run_id={run_id}"),
        }
        turns = {name: partial(load, target, quick) for name, target in targets.items()}
        measured = interleaved(turns, 2 if quick else 9)
    rates = {name: [one["rate"] for one in found] for name, found in measured.items()}
    shares = {name: [one["processor"] * 100 for one in found] for name, found in measured.items()}
    peers = (("static", "static", at_least(0.6)), ("MLflow's runs/get", "mlflow", at_least(20)))
    return [
        *(
            Row.of(f"GET {what} ÷ {peer}", rates[name], rates[key], "req/s", goal)
            for what, name in (("/v1/bundles/{digest}", "ours"), (NEWEST, "newest"))
            for peer, key, goal in peers
        ),
        Row.of("load generator's processor: ours, static", shares["ours"], shares["static"], "%"),
    ]


@contextmanager
def static_service(model: int, body: bytes, file: Path) -> Iterator[str]:
    """A gunicorn started word for word as the process `model`, but for application and address."""
    started = Path(f"/proc/{model}/cmdline").read_text().rstrip("\0").split("\0")
    port = free_port()
    bind = started[started.index("--bind") + 1]
    other = {bind: f"127.0.0.1:{port}", "api.wsgi:app": "bench.static:app"}
    command = [other.get(word, word) for word in started]
    url = f"http://127.0.0.1:{port}"
    file.write_bytes(body)
    with running(command, f"{url}/body", CHECKOUT, environment(BENCH_BODY=str(file))):
        yield url


def load(target: Target, quick: bool) -> list[dict[str, float]]:
    """One turn of the load generator, in a process of its own."""
    order = {
        "port": target.port,
        "path": target.path,
        "token": target.token,
        "length": len(target.body),
        "seconds": 1.0 if quick else SECONDS,
        "connections": CONNECTIONS,
    }
    command = [sys.executable, "-m", "bench.load"]
    done = subprocess.run(
        command, input=json.dumps(order), cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"load on {target.path}: {done.stderr}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return [answer]


def _target(url: str, path: str, token: str = "") -> Target:
    body = get(url + path, **({"Authorization": f"Bearer {token}"} if token else {}))
    return Target(urlsplit(url).port or 0, path, token, body)
