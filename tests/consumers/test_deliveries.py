"""Deliveries count once: on both databases, and however many bring them at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from mlflow_evidence_plugin.storage import Deliveries
from mlflow_evidence_plugin.storage.tables import deliveries

EARLY, NOON = "2026-06-01T08:00:00.000Z", "2026-06-01T12:00:00.000Z"


@pytest.fixture
def table(database):
    return Deliveries(database)


def test_a_delivery_is_the_first_once(table):
    assert [table.first("github", "a", NOON) for _ in range(3)] == [True, False, False]
    assert table.first("gitlab", "a", NOON)
    assert table.first("github", "b", NOON)


def test_a_delivery_is_known_once_somebody_has_brought_it(table):
    assert not table.known("github", "a")
    table.first("github", "a", NOON)
    assert [table.known(*one) for one in (("github", "a"), ("gitlab", "a"), ("github", "b"))] == [
        True,
        False,
        False,
    ]


def test_of_many_at_once_one_is_the_first(table):
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: table.first("github", "a", NOON), range(24)))
    assert sum(found) == 1


def test_one_of_which_nothing_became_may_come_again(table):
    table.first("github", "a", NOON)
    table.again("github", "a")
    assert table.first("github", "a", NOON)


def test_old_ones_are_forgotten(table):
    table.first("github", "old", EARLY)
    table.first("github", "new", NOON)
    table.forget(NOON)
    with table.database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(deliveries)).scalar() == 1
    assert not table.first("github", "new", NOON)
