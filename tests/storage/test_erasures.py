"""Erasing beside captures and attestations: whole, once, and nobody waits for another for ever."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from mlflow_evidence_plugin.errors import Erased, NotFound
from mlflow_evidence_plugin.ledger import subject_digest
from mlflow_evidence_plugin.storage import Attestation, Attestations, Bundles, Database
from mlflow_evidence_plugin.storage.erasures import Erasures, Tombstone
from mlflow_evidence_plugin.storage.ledger import Ledger
from tests.storage.conftest import LATE, NOON, keep
from tests.storage.test_schema import at_revision, insert
from tests.unit import samples


def erase(database, record, erased=None) -> bool:
    erasures = Erasures(database, samples.STORE)
    bound = erasures.bound(record.digest) if erased is None else erased
    envelope = b'{"payload":"gone %s"}' % record.digest.encode()
    return erasures.erase(record, Tombstone(envelope, "a leak", "ops", LATE, bound))


def attest(database, record, number=0) -> None:
    digest = f"sha256:{number:064x}"
    one = Attestation(digest, record.digest, "t", b"{}", "trusted", "ci", None, NOON, "ci")
    Attestations(database, samples.STORE).add(one, subject_digest(record.subject))


def test_a_statement_that_came_meanwhile_is_not_lost_unnamed(database):
    record = samples.record()
    keep(database, record)
    listed = Erasures(database, samples.STORE).bound(record.digest)
    attest(database, record)
    assert not erase(database, record, listed)
    assert Bundles(database, samples.STORE).get(record.digest).body == record.data
    assert erase(database, record)
    assert not erase(database, record), "it is gone already"


def test_nothing_is_kept_of_it_any_more(database):
    record = samples.record()
    keep(database, record)
    erase(database, record)
    with pytest.raises(Erased):
        attest(database, record)
    with pytest.raises(Erased):
        keep(database, record)
    with pytest.raises(Erased) as refused:
        Bundles(database, samples.STORE).get(record.digest)
    assert refused.value.facts["reason"] == "a leak"
    with pytest.raises(NotFound) as refused:
        Bundles(database, "another").get(record.digest)
    assert not isinstance(refused.value, Erased)


def test_captures_attestations_and_erasures_go_on_at_once(database):
    records = [samples.record({"auc": n / 100}, str(n)) for n in range(1, 13)]
    for record in records[:6]:
        keep(database, record)

    def attested(record):
        try:
            attest(database, record, int(record.subject.version))
        except Erased:
            return

    work = [lambda r=r: erase(database, r) for r in records[:6]]
    work += [lambda r=r: keep(database, r) for r in records[6:]]
    work += [lambda r=r: attested(r) for r in records[:6]]
    with ThreadPoolExecutor(6) as pool:
        for done in [pool.submit(one) for one in work]:
            done.result(60)
    erasures, ledger = Erasures(database, samples.STORE), Ledger(database)
    size = ledger.head().size
    for record in records[:6]:
        while not erasures.of(record.digest):  # an attestation came between
            erase(database, record)
        one = erasures.of(record.digest)
        size = ledger.head().size
        logged = [p.leaf.statement for p in ledger.chain(subject_digest(record.subject), size)]
        assert sorted(logged) == sorted([*one.erased, one.statement])


def test_a_log_from_before_counts_says_from_where_on_it_counts(new_url):
    database = Database(new_url())
    at_revision(database, "0004")
    with database.writing() as connection:
        insert(connection, "ledger", {"id": 1, "origin": "example.org/log"})
        for place in range(3):
            leaf = {"place": place, "subject": f"s{place}", "sequence": 0, "statement": f"x{place}"}
            insert(connection, "leaves", leaf)
    database.migrate()
    assert Ledger(database).counts_from() == 3
    with database.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM ledger")).scalar() == 1
    database.dispose()
    fresh = Database(new_url())
    if str(fresh.url) != str(database.url):
        fresh.migrate()
        assert Ledger(fresh).counts_from() == 0
    fresh.dispose()
