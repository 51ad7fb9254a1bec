"""The verdict that stands, beside captures: nobody waits for another for ever, and none is lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from mlflow_evidence_plugin.policy import Case, evaluate, parse
from mlflow_evidence_plugin.storage import Decisions
from mlflow_evidence_plugin.storage.standing import Standing
from tests.storage.conftest import keep
from tests.unit import samples

POLICY = parse(b"{version: 1, environments: {prod: {rules: [{rule: tracked-run}]}}}")


def verdict(record, now=samples.NOW):
    return evaluate(POLICY, POLICY.environment("prod"), Case(record), now)


def test_captures_and_verdicts_go_on_at_once(database):
    record = samples.record()
    keep(database, record)
    decisions, made = Decisions(database, samples.STORE), verdict(record)
    assert decisions.add(made, POLICY, {})
    work = [lambda: keep(database, record), lambda: decisions.add(made, POLICY, {})] * 60
    with ThreadPoolExecutor(6) as pool:
        for done in [pool.submit(one) for one in work]:
            done.result(60)


def test_what_nobody_asks_for_any_more_is_not_waited_for(database):
    record = samples.record()
    keep(database, record)
    assert Decisions(database, samples.STORE).add(verdict(record), POLICY, {})
    keep(database, record)
    standing = Standing(database, samples.STORE)
    assert standing.unsettled(["prod", "lab"], 9) == [record.subject.name]
    assert standing.unsettled(["lab"], 9) == standing.unsettled([], 9) == []


def test_what_changed_meanwhile_is_not_said_to_be_checked(database):
    record = samples.record()
    keep(database, record)
    decisions, standing = Decisions(database, samples.STORE), Standing(database, samples.STORE)
    made, subject = verdict(record), record.subject.name
    assert decisions.add(made, POLICY, {}, seen=1)
    later = replace(made, evaluated_at="2026-06-01T13:00:00.000Z")
    assert decisions.checked(later, 1)
    assert standing.read(subject, "prod").checked_at == later.evaluated_at
    keep(database, samples.record({"auc": 0.8}), envelope=b'{"payload":"another"}')
    assert not decisions.checked(later, 1)
    assert standing.read(subject, "prod").checked_at is None
