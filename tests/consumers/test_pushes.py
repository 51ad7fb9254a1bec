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
    assert [table.order("jira", "a RISK-0", NOON) for _ in range(3)] == [True, False, False]
    assert table.order("servicenow", "a RISK-0", NOON)
    assert table.take("jira", NOON, LATE) == Owed("jira", "a RISK-0", 0)
    assert table.take("jira", NOON, LATE) is None


def test_what_was_told_is_known_and_owed_no_longer(table):
    table.order("jira", "a RISK-0", NOON)
    table.done(table.take("jira", NOON, LATE))
    assert table.take("jira", LATE, LATE) is None
    assert not table.order("jira", "a RISK-0", NOON)


def test_many_that_look_at_once_each_get_their_own(table):
    names = [f"a RISK-{number}" for number in range(8)]
    for name in names:
        table.order("jira", name, NOON)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: table.take("jira", NOON, LATE), range(24)))
    assert sorted(one.name for one in found if one) == names


def test_many_that_look_at_once_never_have_one_ticket_together(table):
    for number in range(8):
        table.order("jira", f"{number} RISK-1", NOON)
    for left in range(8, 0, -1):
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda _: table.take("jira", NOON, LATE), range(8)))
        (owed,) = filter(None, found)
        assert table.take("jira", NOON, LATE) is None, left
        table.done(owed)
    assert table.take("jira", NOON, LATE) is None


def test_a_ticket_that_somebody_tells_holds_up_no_other(table):
    for name in ("a RISK-1", "b RISK-1", "c RISK-11", "d X-RISK-1", "e RISK_1"):
        table.order("jira", name, EARLY)
    table.order("servicenow", "f RISK-1", EARLY)
    first = [table.take("jira", NOON, LATE) for _ in range(5)]
    assert sorted(one.ticket for one in first if one) == ["RISK-1", "RISK-11", "RISK_1", "X-RISK-1"]
    assert table.take("servicenow", NOON, LATE) == Owed("servicenow", "f RISK-1", 0)


def test_what_waits_for_another_try_does_not_hold_its_ticket(table):
    table.order("jira", "a RISK-1", EARLY)
    table.order("jira", "b RISK-1", NOON)
    table.later(table.take("jira", EARLY, NOON), LATE)
    assert table.take("jira", NOON, LATE) == Owed("jira", "b RISK-1", 0)


def test_whoever_lost_a_ticket_tells_no_more_of_it_and_takes_nothing_away(table):
    table.order("jira", "a RISK-1", EARLY)
    slow = table.take("jira", EARLY, NOON)
    assert table.renew(slow, NOON)
    quick = table.take("jira", NOON, LATE)
    assert quick == slow
    assert not table.renew(slow, LATE)
    table.done(slow)
    assert table.later(slow, NOON)
    assert table.renew(quick, LATE)
    assert table.take("jira", NOON, LATE) is None
    table.later(quick, NOON)
    assert table.take("jira", NOON, LATE) == Owed("jira", "a RISK-1", 1)


def test_whoever_renews_keeps_a_ticket(table):
    table.order("jira", "a RISK-1", EARLY)
    owed = table.take("jira", EARLY, NOON)
    assert table.renew(owed, LATE)
    assert table.take("jira", NOON, LATE) is None


def test_one_whose_worker_died_is_taken_again(table):
    table.order("jira", "a RISK-0", EARLY)
    assert table.take("jira", EARLY, NOON)
    assert table.take("jira", EARLY, NOON) is None
    assert table.take("jira", NOON, LATE) == Owed("jira", "a RISK-0", 0)


def test_it_is_tried_again_not_before_its_time_and_not_for_ever(table):
    table.order("jira", "a RISK-0", EARLY)
    for tries in range(MOST):
        owed = table.take("jira", NOON, LATE)
        assert owed == Owed("jira", "a RISK-0", tries)
        kept = table.later(owed, NOON)
        assert kept is (tries < MOST - 1)
    assert table.take("jira", LATE, LATE) is None
    assert not table.order("jira", "a RISK-0", LATE)


def test_a_part_that_was_taken_is_known_at_the_next_try(table):
    table.order("jira", "a RISK-0", EARLY)
    owed = table.take("jira", EARLY, EARLY)
    table.took(owed, "comment", NOON)
    table.took(owed, "comment", NOON)
    table.later(owed, EARLY)
    again = table.take("jira", NOON, LATE)
    assert (table.has(again, "comment"), table.has(again, "link")) == (True, False)


def test_it_is_forgotten_as_deliveries_are(table):
    table.order("jira", "a RISK-0", EARLY)
    Deliveries(table.database).forget(NOON)
    assert table.take("jira", LATE, LATE) is None
    assert table.order("jira", "a RISK-0", LATE)
