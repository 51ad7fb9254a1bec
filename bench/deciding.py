"""Asking for the verdict that stands, against a static route with the same bytes."""

from __future__ import annotations

import json
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from mlflow import MlflowClient

from mlflow_evidence_plugin.service import CaptureRequest
from mlflow_evidence_plugin.settings import PREFIX, Settings
from mlflow_evidence_plugin.wiring import build, prepare

from . import fixture
from .measure import Row, at_least, at_most, interleaved
from .servers import evidence_service, get, mlflow_server
from .serving import Target, load, static_service

MODEL = "churn"
POLICY = """\
version: 1
environments:
  prod:
    rules:
      - rule: tracked-run
      - rule: run-finished
      - rule: required-metrics
        metrics: [metric_00, metric_01, metric_02]
      - rule: metric-threshold
        metric: metric_00
        min: 0
      - rule: no-regression
        metric: metric_01
        baseline: {alias: production}
"""


def bench(place: Path, quick: bool) -> list[Row]:
    """Ours by version, and a static route, in turns."""
    home, file = place / "service", place / "policy.yaml"
    file.write_text(POLICY, "utf-8")
    with ExitStack() as stack:
        url = stack.enter_context(mlflow_server(place / "server"))
        run_id = fixture.make_run(url, place / "files")
        env = fixture.settings_of(home, url) | {f"{PREFIX}POLICY_FILE": str(file)}
        _captured(env, url, run_id)
        ours, pid = stack.enter_context(evidence_service(env, "web"))
        token = (home / "token").read_text().strip()
        path = f"/v1/models/{MODEL}/versions/1/decision?environment=prod"
        body = get(ours + path, Authorization=f"Bearer {token}")
        if not json.loads(body)["allowed"]:
            raise RuntimeError(f"not a pass: {body!r}")
        static = stack.enter_context(static_service(pid, body, place / "body"))
        asked = Target(urlsplit(ours).port or 0, path, token, body)
        same = Target(urlsplit(static).port or 0, "/body", "", body)
        turns = {"ours": partial(load, asked, quick), "static": partial(load, same, quick)}
        measured = interleaved(turns, 2 if quick else 9)
    mine, peer = (
        {name: [one[name] for one in measured[who]] for name in ("rate", "median", "p99")}
        for who in ("ours", "static")
    )
    return [
        Row.of("GET …/decision ÷ static", mine["rate"], peer["rate"], "req/s", at_least(0.5)),
        Row.of("GET …/decision: p99 ÷ median", mine["p99"], mine["median"], "ms", at_most(4)),
        Row.of("static: p99 ÷ median", peer["p99"], peer["median"], "ms"),
    ]


def _captured(env: dict[str, str], url: str, run_id: str) -> None:
    """A version that holds the alias it is compared with, and its evidence."""
    client = MlflowClient(url)
    client.create_registered_model(MODEL)
    source = client.get_run(run_id).info.artifact_uri
    version = client.create_model_version(MODEL, f"{source}/weights", run_id).version
    client.set_registered_model_alias(MODEL, "production", version)
    settings = Settings.read(env)
    prepare(settings)
    evidence = build(settings)
    request = CaptureRequest(model=MODEL, version=str(version))
    ended = evidence.capturing.perform(evidence.capture(request, fixture.OPERATOR).id)
    if ended.record_digest is None:
        raise RuntimeError(f"not captured: {ended.error_code}: {ended.error_detail}")
    evidence.capturing.database.dispose()
