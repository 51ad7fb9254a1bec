"""Snapshots made by hand, for tests of the pure rooms."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

from mlflow_evidence_plugin.collect.runs import series_of
from mlflow_evidence_plugin.record import Record, record_of
from mlflow_evidence_plugin.snapshot import (
    Artifact,
    Dataset,
    Metric,
    RunSnapshot,
    VersionSnapshot,
)

STORE = "https://mlflow.example.com"
RUN_ID = "0123456789abcdef0123456789abcdef"
NOW = datetime(2026, 6, 1, 12, 0, tzinfo=timezone.utc)


class Point:
    """A metric's point, as MLflow's entities look."""

    def __init__(self, value: float, step: int = 0, timestamp: int = 1_700_000_000_000) -> None:
        self.value, self.step, self.timestamp = value, step, timestamp


def run(metrics: dict[str, float] | None = None, **changes: object) -> RunSnapshot:
    values = {"auc": 0.9} if metrics is None else metrics
    snapshot = RunSnapshot(
        run_id=RUN_ID,
        name="monthly",
        experiment_id="1",
        experiment="credit",
        status="FINISHED",
        lifecycle="active",
        user="jane",
        start_time=1_700_000_000_000,
        end_time=1_700_000_060_000,
        artifact_uri="mlflow-artifacts:/1/x/artifacts",
        parameters={"depth": "6"},
        tags={"evidence.owner": "jane", "evidence.schema": "1", "mlflow.user": "jane"},
        metrics=tuple(Metric(k, v, 0, 1_700_000_000_000) for k, v in values.items()),
        series=tuple(series_of(k, [Point(v)])[0] for k, v in values.items()),
        inputs=(Dataset("loans", "d1", "code", "{}", "training"),),
        artifacts=(Artifact("model/model.pkl", 3, "ab" * 32), Artifact("a.txt", 1, "cd" * 32)),
    )
    return replace(snapshot, **changes)


def version(number: str = "7", source: RunSnapshot | None = None, **changes: object):
    snapshot = VersionSnapshot(
        name="credit",
        version=number,
        run_id=RUN_ID,
        creator="jane",
        created=1_700_000_000_000,
        source="runs:/x/model",
        description="",
        tags={},
        files=(Artifact("model.pkl", 3, "ab" * 32),),
        run=source or run(),
    )
    return replace(snapshot, **changes)


def record(metrics: dict[str, float] | None = None, number: str = "7", **changes: object) -> Record:
    return record_of(version(number, run(metrics, **changes)), STORE)
