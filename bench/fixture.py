"""The run that is captured and served, and our service on top of it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlflow import MlflowClient, set_tracking_uri
from mlflow.entities import Metric, Param

from mlflow_evidence_plugin.service import CaptureRequest, Evidence
from mlflow_evidence_plugin.settings import PREFIX, Settings
from mlflow_evidence_plugin.storage import Principal
from mlflow_evidence_plugin.wiring import build, prepare

PARAMS, METRICS, POINTS, ARTIFACTS, ARTIFACT_BYTES = 80, 20, 1_000, 50, 200_000
TEXTS = 10
"""Of the artifacts, how many are tables of numbers; the others are like weights."""

OPERATOR = Principal("bench", ("admin",), ("*",), ("*",), "bench")


def make_run(tracking_uri: str, place: Path, texts: int = TEXTS) -> str:
    """A finished run on the server, as a training program would have logged it: its id."""
    set_tracking_uri(tracking_uri)  # some of MLflow's artifact clients look nowhere else
    client = MlflowClient(tracking_uri)
    chance = random.Random(texts)
    run_id = client.create_run("0", run_name="churn-monthly").info.run_id
    params = [Param(f"param_{n:02}", f"{chance.uniform(0, 10):.4f}") for n in range(PARAMS)]
    client.log_batch(run_id, params=params)
    for number in range(METRICS):
        points = [Metric(f"metric_{number:02}", chance.random(), n, n) for n in range(POINTS)]
        client.log_batch(run_id, metrics=points)
    client.log_artifacts(run_id, str(_make_files(place, texts, chance)))
    client.set_terminated(run_id)
    return run_id


def settings_of(home: Path, tracking_uri: str) -> dict[str, str]:
    """The service's variables."""
    return {f"{PREFIX}HOME": str(home), f"{PREFIX}TRACKING_URI": tracking_uri}


def make_service(home: Path, tracking_uri: str) -> Evidence:
    """A service with an empty database, ready to capture."""
    settings = Settings.read(settings_of(home, tracking_uri))
    prepare(settings)
    return build(settings)


def order(evidence: Evidence, run_id: str) -> Callable[[], Any]:
    """An accepted order to capture the run; calling it carries the order out, whole."""
    accepted = evidence.capture(CaptureRequest(run_id=run_id), OPERATOR)

    def perform() -> None:
        ended = evidence.capturing.perform(accepted.id)
        if ended.record_digest is None:
            raise RuntimeError(f"not captured: {ended.error_code}: {ended.error_detail}")

    return perform


def check_whole(evidence: Evidence, run_id: str) -> None:
    """RuntimeError unless the stored record has every part of the run, and no gap."""
    record = json.loads(evidence.of_run(run_id, OPERATOR).body)
    parts = {"parameters": PARAMS, "history": METRICS, "outputs": ARTIFACTS}
    found = {name: len(record[name].get("facts", ())) for name in parts}
    if found != parts or record["gaps"]:
        raise RuntimeError(f"the record has {found} and the gaps {record['gaps']}")


def _make_files(place: Path, texts: int, chance: random.Random) -> Path:
    for number in range(ARTIFACTS):
        folder = place / ("tables" if number < texts else "weights")
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{number:02}." + ("csv" if number < texts else "bin")
        content = _table(chance) if number < texts else chance.randbytes(ARTIFACT_BYTES)
        (folder / name).write_bytes(content)
    return place


def _table(chance: random.Random) -> bytes:
    lines = ["customer,score,weight,predicted"]
    size = 0
    while size < ARTIFACT_BYTES:
        line = f"{chance.randrange(10**6)},{chance.random():.6f},{chance.gauss(0, 1):.6f},"
        lines.append(line + str(chance.randrange(2)))
        size += len(lines[-1]) + 1
    return "\n".join(lines).encode()[:ARTIFACT_BYTES]
