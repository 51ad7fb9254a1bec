"""Captures per second with one, two and four captures at a time, and where their time goes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil
from mlflow import MlflowClient, set_tracking_uri
from mlflow.entities import Metric, Param

from mlflow_evidence_plugin.scan import TextObserver
from mlflow_evidence_plugin.service import CaptureRequest, Evidence
from mlflow_evidence_plugin.signing import SigningKey
from mlflow_evidence_plugin.storage import Captured
from mlflow_evidence_plugin.storage.captures import FAILED

from .asking import Home
from .corpus import STORE, Corpus
from .fixture import OPERATOR, order
from .measure import Row, seconds
from .servers import CHECKOUT, environment, running

POINTS = 10
PATIENCE = 600


def make_runs(tracking_uri: str, place: Path, count: int) -> list[str]:
    """Small finished runs: 5 params, 3 metrics of 10 points, 2 files of a kilobyte."""
    set_tracking_uri(tracking_uri)
    client = MlflowClient(tracking_uri)
    place.mkdir()
    for name in ("weights.bin", "notes.txt"):
        (place / name).write_bytes(b"some text " * 100)
    return [_make_run(client, place, number) for number in range(count)]


def _make_run(client: MlflowClient, place: Path, number: int) -> str:
    run_id = client.create_run("0", tags={"evidence.owner": "ana"}).info.run_id
    params = [Param(f"param_{n}", f"{number}.{n}") for n in range(5)]
    metrics = [Metric(f"metric_{n}", number / 7, n, p) for n in range(3) for p in range(POINTS)]
    client.log_batch(run_id, metrics=metrics, params=params)
    client.log_artifacts(run_id, str(place))
    client.set_terminated(run_id)
    return run_id


@dataclass(frozen=True)
class Servers:
    """What captures stand on: the tracking server, where databases are made, process ids."""

    name: str
    tracking_uri: str
    new_url: Callable[[], str]
    pids: Mapping[str, int]


def bench(place: Path, servers: Servers, runs: Sequence[str], workers: Sequence[int]) -> list[Row]:
    """Each number of workers on an empty database and a queue that holds all the runs."""
    rows = []
    alone = 0.0
    for count in workers:
        home = Home(place / f"captures-{count}", servers.new_url(), servers.tracking_uri)
        home.prepare()
        rate, shares = _rate(home, runs, count, servers.pids)
        alone = alone or rate
        what = f"{servers.name}: captures, {count} at a time"
        rows.append(Row(f"{what} ÷ {workers[0]}", rate, alone, "/s"))
        for name, share in shares.items():
            rows.append(Row(f"{what}: processor of {name} ÷ one core", share * 100, 100, "%"))
    return [*rows, *_parts(place / "parts", servers, runs)]


def _rate(
    home: Home, runs: Sequence[str], workers: int, pids: Mapping[str, int]
) -> tuple[float, dict[str, float]]:
    """Captures a second from the first that is done to the last, and processors used then."""
    command = [sys.executable, "-m", "api", "--captures", str(workers), "worker"]
    alive = f"{home.tracking_uri}/health"  # a worker has no address: its work is looked at
    with home.service() as evidence:
        orders = [evidence.capture(CaptureRequest(run_id=one), OPERATOR).id for one in runs]
        with running(command, alive, CHECKOUT, environment(**home.settings)) as worker:
            all_pids = {"the worker": worker, **pids}
            before = _until(evidence, orders, 1)
            began, used = time.monotonic(), {name: _used(pid) for name, pid in all_pids.items()}
            _until(evidence, orders, len(orders))
            took = time.monotonic() - began
            shares = {name: (_used(pid) - used[name]) / took for name, pid in all_pids.items()}
    return (len(orders) - before) / took, shares


def _until(evidence: Evidence, orders: Sequence[str], enough: int) -> int:
    """How many have ended when it is enough; RuntimeError for a failed one, or after minutes."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        found = [evidence.capturing.captures.get(one) for one in orders]
        if failed := [one for one in found if one.state == FAILED]:
            raise RuntimeError(f"not captured: {failed[0]}")
        if (done := sum(one.ended for one in found)) >= enough:
            return done
        time.sleep(0.05)
    raise RuntimeError(f"fewer than {enough} captures in {PATIENCE} s")


def _used(pid: int) -> float:
    """Processor seconds of a process and all that it started."""
    top = psutil.Process(pid)
    return sum(sum(one.cpu_times()[:4]) for one in (top, *top.children(recursive=True)))


def _parts(place: Path, servers: Servers, runs: Sequence[str]) -> list[Row]:
    """One capture after the other in this process: the whole, and what it is made of."""
    home = Home(place, servers.new_url(), servers.tracking_uri)
    home.prepare()
    found: dict[str, list[float]] = {"whole": [], "processor": [], "reading": [], "writing": []}
    corpus = Corpus(len(runs), SigningKey.load(place / "signing-key.pem"))
    with home.service() as evidence:
        for number, run_id in enumerate(runs):
            perform, processor = order(evidence, run_id), time.process_time()
            found["whole"] += seconds(perform)
            found["processor"].append(time.process_time() - processor)
            found["reading"] += seconds(partial(_read, evidence, run_id))
            found["writing"] += seconds(partial(_write, evidence, corpus.captured(number)))
    warm = {name: [one * 1_000 for one in of[len(of) // 4 :]] for name, of in found.items()}
    what = f"{servers.name}: one capture ÷ of it"
    return [
        Row.of(f"{what} {part}", warm["whole"], warm[key], "ms")
        for key, part in (
            ("reading", "reading from MLflow"),
            ("processor", "this process's processor"),
            ("writing", "writing the bundle"),
        )
    ]


def _read(evidence: Evidence, run_id: str) -> None:
    observe = partial(TextObserver, salt=STORE)
    evidence.capturing.store.run(run_id, observe, lambda _: None)


def _write(evidence: Evidence, one: Captured) -> None:
    with evidence.capturing.database.writing() as transaction:
        evidence.capturing.bundles.add(transaction, [one])
