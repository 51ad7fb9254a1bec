"""The log grows with what is kept, in the same transactions, and proves it."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import delete, select

from mlflow_evidence_plugin.errors import BadInput, NotFound
from mlflow_evidence_plugin.ledger import check_consistency, check_inclusion, subject_digest
from mlflow_evidence_plugin.ledger.merkle import EMPTY_ROOT
from mlflow_evidence_plugin.record import digest_of, record_of
from mlflow_evidence_plugin.storage import Bundles, Ledger, tables
from mlflow_evidence_plugin.storage.ledger import append, restore
from tests.unit import samples

from .conftest import captured, keep


def entries(count, subject="a"):
    return [
        ("sha256:" + subject * 64, digest_of(b"%s%d" % (subject.encode(), n))) for n in range(count)
    ]


def add(database, new):
    with database.writing() as connection:
        append(connection, new)


def record(number):
    return record_of(samples.run(run_id=f"{number:032x}"), samples.STORE)


@pytest.fixture
def log(database):
    return Ledger(database)


def proven(placed, head):
    check_inclusion(placed.leaf.hash, placed.index, head.size, placed.proof, head.root)


def test_an_empty_log_has_a_name_and_a_head(log):
    head = log.head()
    assert (head.size, head.root) == (0, EMPTY_ROOT)
    assert head.origin == log.head().origin
    assert log.chain("sha256:" + "a" * 64, 0) == []


def test_each_kept_statement_is_a_leaf_of_its_subject(database, log):
    first, second = record(1), record(2)
    for one, envelope in ((first, b"1"), (second, b"2")):
        keep(database, one, envelope=envelope)
    head = log.head()
    assert head.size == 2
    (placed,) = log.chain(subject_digest(second.subject), head.size)
    proven(placed, head)
    assert placed.leaf.statement == digest_of(b"2")
    assert (placed.leaf.sequence, placed.leaf.previous) == (0, None)
    assert log.place(digest_of(b"1"), head.size).index == 0


def test_evidence_that_is_captured_again_unchanged_adds_no_leaf(database, log):
    for _ in range(2):
        keep(database, record(1))
    assert log.head().size == 1


def test_a_subject_chains_through_the_log_and_every_growth_is_proven(database, log):
    heads = [log.head()]
    for count in (1, 2, 5, 1, 8):
        add(
            database, entries(sum(range(count)) + count, "a") + entries(count + heads[-1].size, "b")
        )
        heads.append(log.head())
    for old in heads:
        for new in heads:
            if old.size <= new.size:
                proof = log.growth(old.size, new.size)
                check_consistency((old.size, old.root), (new.size, new.root), proof)
            assert log.head(old.size) == old
    chain = log.chain("sha256:" + "a" * 64, heads[-1].size)
    assert [one.leaf.sequence for one in chain] == list(range(len(chain)))
    assert [one.leaf.previous for one in chain] == [None, *(one.leaf.digest for one in chain[:-1])]
    for one in chain:
        proven(one, heads[-1])


def test_a_transaction_that_fails_leaves_no_leaf(database, log):
    with pytest.raises(ZeroDivisionError), database.writing() as transaction:
        Bundles(database, samples.STORE).add(transaction, [captured(record(1))])
        raise ZeroDivisionError
    assert log.head().size == 0
    keep(database, record(2))
    assert log.head().size == 1


def test_writers_at_once_leave_no_gap_and_no_fork(database, log):
    def write(name):
        for number in range(10):
            add(database, [("sha256:" + "a" * 64, digest_of(b"%s %d" % (name, number)))])

    threads = [threading.Thread(target=write, args=(name,)) for name in (b"x", b"y", b"z")]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    head = log.head()
    assert head.size == 30
    chain = log.chain("sha256:" + "a" * 64, 30)
    assert [one.leaf.sequence for one in chain] == list(range(30))
    for one in chain:
        proven(one, head)


def test_a_head_that_was_signed_stays_the_same(log):
    assert log.note(0) is None
    assert log.keep_note(0, "first", "2026-06-01T08:00:00.000Z") == "first"
    assert log.keep_note(0, "second", "2026-06-01T08:00:00.001Z") == "first"
    assert log.note(0) == "first"


def test_what_the_log_does_not_have_is_said(database, log):
    add(database, entries(3))
    with pytest.raises(NotFound):
        log.place("sha256:" + "f" * 64, 3)
    for wrong in (lambda: log.head(4), lambda: log.growth(2, 4), lambda: log.growth(3, 2)):
        with pytest.raises(BadInput):
            wrong()


def test_evidence_from_before_the_log_is_entered_when_it_is_made(database, log):
    for number in range(5):
        keep(database, record(number), envelope=b"%d" % number)
    with database.writing() as connection:
        for table in (tables.leaves, tables.nodes, tables.ledger):
            connection.execute(delete(table))
        restore(connection)
        kept = set(connection.execute(select(tables.statements.c.digest)).scalars())
    head = log.head()
    assert head.size == 5
    found = [log.chain(subject_digest(record(number).subject), 5) for number in range(5)]
    assert {one.leaf.statement for (one,) in found} == kept
