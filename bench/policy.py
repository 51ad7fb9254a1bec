"""How long a policy takes: over one large record, and over all that a service has stored."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from mlflow_evidence_plugin.policy import Case, Policy, evaluate, parse
from mlflow_evidence_plugin.policy.decision import rfc3339
from mlflow_evidence_plugin.record import Record, read_kept, record_of
from mlflow_evidence_plugin.service.explaining import Asked, DryRun, explain
from mlflow_evidence_plugin.signing import SigningKey
from mlflow_evidence_plugin.snapshot import Artifact, Dataset, Metric, RunSnapshot, VersionSnapshot
from mlflow_evidence_plugin.storage import Bundles, Database

from .corpus import START, STORE
from .filling import fill
from .fixture import OPERATOR
from .measure import Goal, Row

PARAMS, METRICS, RULES = 500, 500, 30
RECORDS, SECONDS, MILLISECONDS = 10_000, 60.0, 10.0
_TIME = 1_700_000_000_000

HEAD = "version: 1\nenvironments:\n  prod:\n    rules:\n"
COMMON = (
    "rule: tracked-run",
    "rule: run-finished",
    "rule: required-tags, patterns: {owner: '[a-z0-9-]+'}",
    "rule: dataset-recorded",
    "rule: no-findings",
    "rule: max-cost, max_minutes: 600",
    "rule: code-clean",
)


def bench(place: Path, quick: bool) -> list[Row]:
    """A policy of 30 rules over a record with 500 params and 500 metrics; a dry run over 10,000."""
    turns = 20 if quick else 200
    warm, cold = list(_evaluations(turns, anew=False)), list(_evaluations(turns, anew=True))
    few = Goal(f"≤ {MILLISECONDS:g} ms", lambda ours, _: ours <= MILLISECONDS)
    what = f"policy of {RULES} rules over a record with {PARAMS} params and {METRICS} metrics"
    count = 1_000 if quick else RECORDS
    took = _dry_run(place, count)
    least = Goal(f"≤ {SECONDS:g} s", lambda ours, _: ours <= SECONDS)
    told = f"dry run of a policy of {RULES} rules over {count:,} stored model versions"
    return [
        Row(f"{what}, 10 of them expressions: median", median(cold), 0, "ms", few),
        Row(f"{what}: the slowest of {turns}", max(cold), 0, "ms"),
        Row(f"{what}: judged again", median(warm), 0, "ms"),
        Row(told, took, 0, "s", least if count == RECORDS else None),
    ]


def policy(names: list[str]) -> Policy:
    """30 rules: 10 expressions over parameters and metrics, the rest built in."""
    rules = [*COMMON]
    for number in range(10):
        metric = names[number % len(names)]
        said = f'metrics["{metric}"] >= 0.0 && size(params) > 0 && params.all(k, params[k] != "")'
        rules.append(f"rule: expression, expression: '{said}'")
    while len(rules) < RULES:
        metric = names[len(rules) % len(names)]
        rules.append(f"rule: metric-threshold, metric: {metric}, min: 0, max: {len(rules)}000")
    return parse((HEAD + "".join(f"      - {{{one}}}\n" for one in rules)).encode())


def _evaluations(turns: int, anew: bool) -> Iterator[float]:
    """Milliseconds of each; `anew`: of a record that was not judged before."""
    known = policy([f"metric_{n}" for n in range(METRICS)])
    asked = known.environment("prod")
    for turn in range(turns + 3):
        record = _large(turn if anew else 0)
        began = time.perf_counter()
        decision = evaluate(known, asked, Case(record), START)
        took = (time.perf_counter() - began) * 1_000
        if not decision.allowed:
            raise RuntimeError(f"not allowed: {decision.reasons}")
        if turn >= 3:
            yield took


def _large(number: int) -> Record:
    run = RunSnapshot(
        run_id=f"{number:032x}",
        name="large",
        experiment_id="1",
        experiment="bench",
        status="FINISHED",
        lifecycle="active",
        user="jane",
        start_time=_TIME,
        end_time=_TIME + 60_000,
        artifact_uri="mlflow-artifacts:/1/x/artifacts",
        parameters={f"param_{n}": f"{number + n}" for n in range(PARAMS)},
        tags={"evidence.owner": "jane", "evidence.git.commit": "c" * 40}
        | {"evidence.git.dirty": "false"},
        metrics=tuple(Metric(f"metric_{n}", n / 7 + number, 1, _TIME) for n in range(METRICS)),
        inputs=(Dataset("loans", "d1", "code", "{}", "training"),),
    )
    about = ("large", "1", run.run_id, "jane", _TIME, "runs:/x/model", "", {})
    files = (Artifact("MLmodel", 3, "ab" * 32),)
    return read_kept(record_of(VersionSnapshot(*about, files, run=run), STORE).data)


def _dry_run(place: Path, count: int) -> float:
    """Seconds. Half of the corpus is of model versions."""
    url = f"sqlite:///{place / 'evidence.db'}"
    SigningKey.create(place / "key.pem")
    fill(url, 2 * count, place / "key.pem")
    text = policy([f"metric_{n}" for n in range(10)]).canonical
    database = Database(url)
    bundles = Bundles(database, STORE)
    began, looked, cursor = time.perf_counter(), 0, None
    while True:
        question = DryRun("prod", Asked(since=rfc3339(START)), cursor)
        page = explain(bundles, text, question, OPERATOR)
        looked += page["looked_at"]
        cursor = page["next"]
        if cursor is None:
            break
    took = time.perf_counter() - began
    database.dispose()
    if looked != count:
        raise RuntimeError(f"{looked} of {count} were looked at")
    return took
