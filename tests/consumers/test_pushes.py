"""What is owed to other systems: once each, on both databases, however many workers look."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from mlflow_evidence_plugin.storage import Deliveries, Owed, Pushes
from mlflow_evidence_plugin.storage.deliveries import MOST

EARLY, NOON, LATE = (f"2026-06-01T{hour}:00:00.000Z" for hour in ("08", "12", "16"))


@pytest.fixture
def table(database):
    return Pushes(database)


def test_a_thing_is_ordered_once(table):
    assert [table.order("jira", "a", NOON) for _ in range(3)] == [True, False, False]
    assert table.order("servicenow", "a", NOON)
    assert table.take("jira", NOON, LATE) == Owed("jira", "a", 0)
    assert table.take("jira", NOON, LATE) is None


def test_what_was_told_is_known_and_owed_no_longer(table):
    table.order("jira", "a", NOON)
    table.done(table.take("jira", NOON, LATE))
    assert table.take("jira", LATE, LATE) is None
    assert not table.order("jira", "a", NOON)


def test_many_that_look_at_once_each_get_their_own(table):
    for number in range(8):
        table.order("jira", str(number), NOON)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: table.take("jira", NOON, LATE), range(24)))
    assert sorted(one.name for one in found if one) == [str(number) for number in range(8)]


def test_one_whose_worker_died_is_taken_again(table):
    table.order("jira", "a", EARLY)
    assert table.take("jira", EARLY, NOON)
    assert table.take("jira", EARLY, NOON) is None
    assert table.take("jira", NOON, LATE) == Owed("jira", "a", 0)


def test_it_is_tried_again_not_before_its_time_and_not_for_ever(table):
    table.order("jira", "a", EARLY)
    for tries in range(MOST):
        owed = table.take("jira", NOON, LATE)
        assert owed == Owed("jira", "a", tries)
        kept = table.later(owed, NOON)
        assert kept is (tries < MOST - 1)
    assert table.take("jira", LATE, LATE) is None
    assert not table.order("jira", "a", LATE)


def test_a_part_that_was_taken_is_known_at_the_next_try(table):
    table.order("jira", "a", EARLY)
    owed = table.take("jira", EARLY, EARLY)
    table.took(owed, "comment", NOON)
    table.took(owed, "comment", NOON)
    table.later(owed, EARLY)
    again = table.take("jira", NOON, LATE)
    assert (table.has(again, "comment"), table.has(again, "link")) == (True, False)


def test_it_is_forgotten_as_deliveries_are(table):
    table.order("jira", "a", EARLY)
    Deliveries(table.database).forget(NOON)
    assert table.take("jira", LATE, LATE) is None
    assert table.order("jira", "a", LATE)
