"""The verdict that stands, beside captures: nobody waits for another for ever, and none is lost."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

from mlflow_evidence_plugin.policy import Case, evaluate, parse
from mlflow_evidence_plugin.storage import Database, Decisions
from mlflow_evidence_plugin.storage.standing import REMEMBERED_SECONDS, Standing
from tests.storage.conftest import keep
from tests.unit import samples

POLICY = parse(b"{version: 1, environments: {prod: {rules: [{rule: tracked-run}]}}}")

LATER = samples.NOW + timedelta(hours=1)


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


def test_memory_ends_after_a_second_and_with_what_this_process_writes(database):
    """Another process is another engine on the same database."""
    record = samples.record()
    keep(database, record)
    assert Decisions(database, samples.STORE).add(verdict(record), POLICY, {})
    elsewhere = Database(database.url.render_as_string(hide_password=False))
    here, there = (Standing(one, samples.STORE) for one in (database, elsewhere))
    asked = (record.subject.name, "prod")
    assert here.read(*asked, remembered=True).checked_at
    there.unsettle_model(record.subject.model)
    assert here.read(*asked, remembered=True).checked_at, "it is remembered"
    time.sleep(REMEMBERED_SECONDS + 0.1)
    assert here.read(*asked, remembered=True).checked_at is None
    assert Decisions(database, samples.STORE).add(verdict(record, LATER), POLICY, {})
    assert here.read(*asked, remembered=True).checked_at, "its own writing is seen at once"
    elsewhere.dispose()
