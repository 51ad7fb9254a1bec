"""Orders: each is carried out by one worker at a time, and ends once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from mlflow_evidence_plugin.errors import KeyReused
from mlflow_evidence_plugin.storage import Captures
from mlflow_evidence_plugin.storage.captures import Capture
from tests.storage.conftest import ALL, EARLY, LATE, NOON


def order(**changes) -> Capture:
    known = {
        "id": "c1",
        "run_id": "r",
        "model": None,
        "version": None,
        "alias": None,
        "experiments": ALL,
        "principal": "ci",
        "state": "accepted",
        "attempts": 0,
        "accepted_at": EARLY,
    }
    return Capture(**(known | changes))


def test_an_order_is_worked_on_by_one_worker_only(database):
    captures = Captures(database)
    captures.accept(order())
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda _: captures.claim("c1", EARLY, NOON), range(8)))
    assert len([claim for claim in claims if claim]) == 1


def test_an_order_whose_worker_died_is_free_again_after_its_lease(database):
    captures = Captures(database)
    captures.accept(order())
    assert captures.claim("c1", EARLY, NOON)
    assert captures.unfinished(EARLY) == []
    assert captures.claim("c1", EARLY, NOON) is None
    assert captures.unfinished(LATE) == ["c1"]
    assert captures.claim("c1", LATE, LATE).attempts == 2


def test_an_order_that_ended_is_never_taken_up_again(database):
    captures = Captures(database)
    captures.accept(order())
    held = captures.claim("c1", EARLY, NOON)
    captures.failed(held, ("not-found", "gone", ""), NOON)
    assert captures.claim("c1", LATE, LATE) is None
    assert captures.get("c1").error_code == "not-found"


def test_an_order_that_nobody_has_begun_stands_for_its_equals(database):
    captures = Captures(database)
    captures.accept(order())
    assert captures.accept(order(id="c2")).id == "c1"
    for other in ({"run_id": "r2"}, {"principal": "cd"}, {"experiments": ("x",)}):
        assert captures.accept(order(id=f"c{len(str(other))}", **other)).id != "c1"
    captures.claim("c1", EARLY, NOON)
    assert captures.accept(order(id="c3")).id == "c3"


def test_a_key_stands_for_one_order_whatever_became_of_it(database):
    captures = Captures(database)
    captures.accept(order(), "key")
    held = captures.claim("c1", EARLY, NOON)
    captures.failed(held, ("not-found", "gone", ""), NOON)
    assert captures.accept(order(id="c2"), "key").state == "failed"
    assert captures.accept(order(id="c3"), "another").id == "c3"
    assert captures.accept(order(id="c4", principal="cd"), "key").id == "c4"
    with pytest.raises(KeyReused):
        captures.accept(order(id="c5", run_id="r2"), "key")
    assert captures.unfinished(LATE) == ["c3", "c4"]


def test_equal_orders_at_once_are_one(database):
    captures = Captures(database)
    with ThreadPoolExecutor(8) as pool:
        made = pool.map(lambda n: captures.accept(order(id=f"c{n}")).id, range(8))
    assert len(set(made)) == 1


def test_a_key_is_forgotten_after_its_time(database):
    captures = Captures(database)
    captures.accept(order(), "key")
    captures.claim("c1", EARLY, NOON)
    captures.forget_keys(EARLY)
    assert captures.accept(order(id="c2"), "key").id == "c1"
    captures.forget_keys(NOON)
    assert captures.accept(order(id="c3"), "key").id == "c3"


def test_a_key_that_comes_many_times_at_once_makes_one_order(database):
    captures = Captures(database)
    with ThreadPoolExecutor(8) as pool:
        made = pool.map(lambda n: captures.accept(order(id=f"c{n}"), "key").id, range(8))
    assert len(set(made)) == 1
    assert len(captures.unfinished(LATE)) == 1


def test_what_is_swept_while_the_queue_lives_is_what_lapsed_or_is_overdue(database):
    captures = Captures(database)
    for number, run in enumerate("abc"):
        captures.accept(order(id=f"c{number}", run_id=run))
    captures.claim("c1", EARLY, NOON)
    captures.claim("c2", EARLY, "2999-01-01T00:00:00.000Z")
    assert captures.unfinished(LATE, before=EARLY) == ["c1"]
    assert set(captures.unfinished(LATE, before=NOON)) == {"c0", "c1"}
    assert set(captures.unfinished(LATE)) == {"c0", "c1"}
