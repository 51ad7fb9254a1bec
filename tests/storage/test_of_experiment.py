"""The runs of an experiment: each once, with its newest record, and nothing that is not seen."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from mlflow_evidence_plugin.errors import BadRecord
from mlflow_evidence_plugin.record import record_of
from mlflow_evidence_plugin.storage import Bundles
from mlflow_evidence_plugin.storage.search import View
from mlflow_evidence_plugin.storage.tables import records
from tests.storage.conftest import ALL, EARLY, LATE, NOON, keep
from tests.unit import samples

EVERYTHING = View(ALL, ALL)


@pytest.fixture
def bundles(database) -> Bundles:
    return Bundles(database, samples.STORE)


def record(number: int, auc: float = 0.9, experiment: str = "credit", version: str | None = None):
    run = samples.run({"auc": auc}, run_id=f"{number:032x}", experiment=experiment)
    found = samples.version(version, run, run_id=run.run_id) if version else run
    return record_of(found, samples.STORE)


def test_each_run_stands_once_the_one_captured_last_first(database, bundles):
    one, two, elsewhere = record(1), record(2), record(3, experiment="other")
    for kept, at in ((one, EARLY), (two, NOON), (elsewhere, LATE)):
        keep(database, kept, at)
    assert bundles.of_experiment("credit", EVERYTHING, 5) == ([two.digest, one.digest], False)
    assert bundles.of_experiment("credit", EVERYTHING, 1) == ([two.digest], True)
    assert bundles.of_experiment("none", EVERYTHING, 5) == ([], False)
    assert Bundles(database, "elsewhere").of_experiment("credit", EVERYTHING, 5) == ([], False)


def test_what_was_seen_last_counts_also_when_it_had_been_so_before(database, bundles):
    first, second = record(1, 0.9), record(1, 0.8)
    for kept, at in ((first, EARLY), (second, NOON), (first, LATE)):
        keep(database, kept, at)
    assert bundles.of_experiment("credit", EVERYTHING, 5)[0] == [first.digest]


def test_a_version_that_was_made_again_of_another_run_leaves_the_first_run_its_own(
    database, bundles
):
    before, after = record(1, version="1"), record(2, version="1")
    keep(database, before, EARLY)
    keep(database, after, NOON)
    found = bundles.of_experiment("credit", EVERYTHING, 5)[0]
    assert found == [after.digest, before.digest]


def test_who_may_not_see_the_model_gets_the_evidence_of_the_run(database, bundles):
    of_run, of_version = record(1), record(1, version="1")
    keep(database, of_run, EARLY)
    keep(database, of_version, NOON)
    assert bundles.of_experiment("credit", EVERYTHING, 5)[0] == [of_version.digest]
    assert bundles.of_experiment("credit", View(ALL, ("x",)), 5)[0] == [of_run.digest]
    assert bundles.of_experiment("credit", View(("x",), ALL), 5)[0] == []


def test_records_are_read_back_and_changed_bytes_are_refused(database, bundles):
    kept = [record(1), record(2)]
    for one in kept:
        keep(database, one)
    digests = [one.digest for one in kept]
    assert [one.digest for one in bundles.records(digests)] == digests
    with database.writing() as connection:
        connection.execute(update(records).values(body=kept[0].data))
    with pytest.raises(BadRecord):
        list(bundles.records(digests))
