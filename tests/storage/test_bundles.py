"""What is stored is stored whole, once, and never rewritten."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from mlflow_evidence_plugin.errors import NotFound
from mlflow_evidence_plugin.record import digest_of
from mlflow_evidence_plugin.storage import Bundles, Filters
from mlflow_evidence_plugin.storage.search import View
from mlflow_evidence_plugin.storage.tables import metadata
from tests.storage.conftest import ALL, LATE, captured, keep
from tests.unit import samples


def rows(database) -> dict[str, int]:
    with database.reading() as connection:
        return {
            t.name: connection.execute(select(func.count()).select_from(t)).scalar_one()
            for t in metadata.sorted_tables
        }


def test_the_exact_bytes_come_back(database):
    record = samples.record()
    keep(database, record)
    found = Bundles(database, samples.STORE).get(record.digest)
    assert found.body == record.data
    assert digest_of(found.body) == record.digest
    assert record.data in found.document()


def test_the_same_record_again_is_an_observation_and_nothing_more(database):
    record = samples.record()
    keep(database, record)
    before = rows(database)
    keep(database, record, LATE, envelope=b"{}")
    after = rows(database)
    assert after.pop("observations") == before.pop("observations") + 1
    assert after == before


def test_the_newest_is_what_was_seen_last_also_when_it_was_known_before(database):
    first, second = samples.record({"auc": 0.9}), samples.record({"auc": 0.8})
    for record in (first, second, first):
        keep(database, record)
    assert Bundles(database, samples.STORE).latest(first.subject.name).digest == first.digest


def test_a_transaction_that_fails_leaves_nothing(database):
    before = rows(database)
    with pytest.raises(RuntimeError), database.writing() as transaction:
        record = samples.record()
        Bundles(database, samples.STORE).add(transaction, [captured(record)])
        raise RuntimeError("power cut")
    assert rows(database) == before


def test_the_same_name_in_another_store_is_another_thing(database):
    keep(database, samples.record())
    elsewhere = Bundles(database, "https://other.example.com")
    with pytest.raises(NotFound):
        elsewhere.latest(samples.record().subject.name)
    with pytest.raises(NotFound):
        elsewhere.get(samples.record().digest)
    assert elsewhere.search(Filters(), View(ALL, ALL), None, 5).items == ()


def test_materials_come_back_by_their_digest(database):
    keep(database, samples.record())
    bundles = Bundles(database, samples.STORE)
    assert bundles.material(digest_of(b"0,0,1.0\n")) == (
        "text/csv",
        b"0,0,1.0\n",
    )
    with pytest.raises(NotFound):
        bundles.material("sha256:" + "0" * 64)


def test_many_at_once_are_kept_as_one_by_one(database):
    several = [samples.record({"auc": n / 10}) for n in (1, 2, 3, 2, 1)]
    with database.writing() as transaction:
        Bundles(database, samples.STORE).add(transaction, [captured(one) for one in several])
    counts = rows(database)
    assert (counts["records"], counts["statements"], counts["observations"]) == (3, 3, 5)
    assert counts["listings"] == 3


def test_workers_that_capture_the_same_at_the_same_time_sign_it_once(database):
    record = samples.record()

    def work(number: int) -> None:
        keep(database, record, envelope=b'{"signed by": %d}' % number)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    assert rows(database)["observations"] == 6
    assert len(Bundles(database, samples.STORE).get(record.digest).envelopes) == 1
