"""What is stored is stored whole, once, and never rewritten."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from mlflow_evidence_plugin.errors import (
    BadConfig,
    NotFound,
    SchemaTooNew,
    StorageUnavailable,
    Unauthorized,
)
from mlflow_evidence_plugin.record import digest_of
from mlflow_evidence_plugin.storage import Bundles, Captures, Database, Filters, Tokens
from mlflow_evidence_plugin.storage.captures import Capture
from mlflow_evidence_plugin.storage.tables import metadata
from tests.unit import samples

EARLY, NOON, LATE = (f"2026-06-01T{hour}:00:00.000Z" for hour in ("08", "12", "18"))
ALL = ("*",)


@pytest.fixture
def database(tmp_path):
    made = Database(f"sqlite:///{tmp_path / 'evidence.db'}")
    made.migrate()
    yield made
    made.dispose()


def rows(database) -> dict[str, int]:
    with database.reading() as connection:
        return {
            t.name: connection.execute(select(func.count()).select_from(t)).scalar_one()
            for t in metadata.sorted_tables
        }


def keep(database, record, at=NOON, envelope=b'{"payload":"","payloadType":"","signatures":[]}'):
    with database.writing() as transaction:
        texts = [("text/csv", b"0,0,1.0\n")]
        Bundles(database, samples.STORE).add(
            transaction, record, {"type": envelope}, texts, (at, "ci")
        )


def test_the_migrations_make_exactly_the_tables_that_the_code_names(database):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_migrating_again_or_from_many_processes_at_once_is_harmless(tmp_path):
    program = (
        "import sys\n"
        "from mlflow_evidence_plugin.storage import Database\n"
        "for _ in range(2): Database(sys.argv[1]).migrate()\n"
    )
    command = [sys.executable, "-c", program, f"sqlite:///{tmp_path / 'evidence.db'}"]
    started = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    assert [one.communicate()[1] for one in started] == [""] * 4


def test_a_schema_of_a_newer_version_is_refused(database):
    with database.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaTooNew, match="9999"):
        database.migrate()


@pytest.mark.parametrize("url", ["nonsense", "nosuchdb://x", ""])
def test_a_url_that_is_none_is_refused(url):
    with pytest.raises(BadConfig):
        Database(url)


def test_a_database_that_cannot_be_opened_is_said_so(tmp_path):
    with pytest.raises(StorageUnavailable):
        Database(f"sqlite:///{tmp_path}").ping()


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
        Bundles(database, samples.STORE).add(
            transaction, record, {"t": b"{}"}, [("text/csv", b"x")], (NOON, "x")
        )
        raise RuntimeError("power cut")
    assert rows(database) == before


def test_the_same_name_in_another_store_is_another_thing(database):
    keep(database, samples.record())
    elsewhere = Bundles(database, "https://other.example.com")
    with pytest.raises(NotFound):
        elsewhere.latest(samples.record().subject.name)
    assert elsewhere.search(Filters(), ALL, ALL, None, 5) == []


def test_materials_come_back_by_their_digest(database):
    keep(database, samples.record())
    bundles = Bundles(database, samples.STORE)
    assert bundles.material(digest_of(b"0,0,1.0\n")) == b"0,0,1.0\n"
    with pytest.raises(NotFound):
        bundles.material("sha256:" + "0" * 64)


def test_a_search_shows_only_what_the_globs_allow_and_pages_do_not_skip(database):
    for number in range(1, 8):
        keep(database, samples.record(number=str(number)))
    bundles = Bundles(database, samples.STORE)
    assert bundles.search(Filters(), ALL, ("other",), None, 5) == []
    first = bundles.search(Filters(), ALL, ("cred*",), None, 5)
    rest = bundles.search(Filters(), ALL, ("cred*",), first[-1].seq, 5)
    assert [row.subject for row in first + rest] == [f"models/credit/{n}" for n in range(7, 0, -1)]


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        (Filters(model="credit"), 2),
        (Filters(model="credit", version="2"), 1),
        (Filters(version="1"), 1),
        (Filters(run_id=samples.RUN_ID), 2),
        (Filters(model="%"), 0),
        (Filters(version="%"), 0),
    ],
)
def test_filters_are_exact(database, filters, count):
    keep(database, samples.record(number="1"))
    keep(database, samples.record(number="2"))
    assert len(Bundles(database, samples.STORE).search(filters, ALL, ALL, None, 10)) == count


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


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "mle_",
        "mle__",
        "mle_0123456789abcdef_x",
        "mle_" + "a" * 5000,
        "mle_\x00_x",
        "mle_é_é",
    ],
)
def test_a_token_that_is_none_is_refused_in_the_same_words(database, token):
    with pytest.raises(Unauthorized, match="unknown, expired or revoked"):
        Tokens(database).authenticate(token, NOON)


def test_a_token_ends_when_it_expires_and_when_it_is_revoked(database):
    tokens = Tokens(database)
    made = tokens.create("ci", ("capture",), (), ("credit*",), EARLY, NOON)
    known = tokens.authenticate(made, EARLY)
    assert known.sees_model("credit-eu") and not known.sees_model("debit")
    assert not known.sees_experiment("anything")
    with pytest.raises(Unauthorized):
        tokens.authenticate(made, NOON)
    tokens.revoke(known.token_id, EARLY)
    with pytest.raises(Unauthorized):
        tokens.authenticate(made, EARLY)


def test_the_secret_of_a_token_is_not_kept(database, tmp_path):
    made = Tokens(database).create("ci", ("capture",), ALL, ALL, EARLY)
    database.dispose()
    kept = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert made.split("_", 2)[2].encode() not in kept
