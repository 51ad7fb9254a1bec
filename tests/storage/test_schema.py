"""The schema: made by its migrations, from nothing and from what an older version left."""

from __future__ import annotations

import subprocess
import sys

import pytest
from alembic import command
from sqlalchemy import text

from mlflow_evidence_plugin.errors import (
    BadConfig,
    SchemaTooNew,
    SchemaTooOld,
    StorageUnavailable,
)
from mlflow_evidence_plugin.record import canonical
from mlflow_evidence_plugin.storage import Bundles, Database, Decisions, Filters
from mlflow_evidence_plugin.storage.database import _alembic
from mlflow_evidence_plugin.storage.search import View
from mlflow_evidence_plugin.storage.tables import metadata
from tests.storage.conftest import ALL, EARLY, LATE, NOON
from tests.unit import samples


def test_the_migrations_make_exactly_the_tables_that_the_code_names(database):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_migrating_again_or_from_many_processes_at_once_is_harmless(new_url):
    program = (
        "import sys\n"
        "from mlflow_evidence_plugin.storage import Database\n"
        "for _ in range(2): Database(sys.argv[1]).migrate()\n"
    )
    command = [sys.executable, "-c", program, new_url()]
    started = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    assert [one.communicate()[1] for one in started] == [""] * 4


def test_a_schema_of_a_newer_version_is_refused(database):
    with database.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    for refused in (database.migrate, database.check):
        with pytest.raises(SchemaTooNew, match="9999"):
            refused()


@pytest.mark.parametrize("url", ["nonsense", "nosuchdb://x", ""])
def test_a_url_that_is_none_is_refused(url):
    with pytest.raises(BadConfig):
        Database(url)


def test_a_database_that_cannot_be_opened_is_said_so(tmp_path):
    with pytest.raises(StorageUnavailable):
        Database(f"sqlite:///{tmp_path}").ping()


def test_a_server_that_is_not_there_is_said_so_within_seconds():
    with pytest.raises(StorageUnavailable):
        Database("postgresql://nobody@127.0.0.1:1/nothing").ping()


def test_an_older_schema_is_refused_until_it_is_upgraded(new_url):
    database = Database(new_url())
    with pytest.raises(SchemaTooOld, match="no schema yet"):
        database.check()
    at_revision(database, "0001")
    with pytest.raises(SchemaTooOld, match="0001") as refused:
        database.check()
    assert "db upgrade" in refused.value.mend
    database.migrate()
    assert database.check() == "0005"
    database.dispose()


def test_what_an_older_version_kept_is_found_after_the_upgrade(new_url):
    database = Database(new_url())
    at_revision(database, "0001")
    record = samples.record()
    verdict = {"store": samples.STORE, "status": "failed", "environment": "prod"}
    with database.writing() as connection:
        insert(
            connection,
            "records",
            {
                "digest": record.digest,
                "subject": record.subject.name,
                "run_id": record.run_id,
                "model": "credit",
                "version": "7",
                "experiment": record.experiment,
                "release_digest": record.release,
                "body": record.data,
                "created_at": EARLY,
            },
        )
        insert(
            connection,
            "statements",
            {
                "digest": "sha256:" + "1" * 64,
                "record_digest": record.digest,
                "predicate_type": "type",
                "envelope": b"{}",
                "created_at": EARLY,
            },
        )
        for at in (EARLY, LATE):
            insert(
                connection,
                "observations",
                {
                    "store": samples.STORE,
                    "subject": record.subject.name,
                    "record_digest": record.digest,
                    "run_id": record.run_id,
                    "model": "credit",
                    "experiment": record.experiment,
                    "captured_at": at,
                    "captured_by": "ci",
                },
            )
        insert(connection, "policies", {"digest": "sha256:" + "2" * 64, "body": b"{}"})
        insert(
            connection,
            "decisions",
            {
                "digest": "sha256:" + "3" * 64,
                "subject": record.subject.name,
                "environment": "prod",
                "record_digest": record.digest,
                "policy_digest": "sha256:" + "2" * 64,
                "body": canonical(verdict),
                "evaluated_at": NOON,
            },
        )
    database.migrate()
    bundles = Bundles(database, samples.STORE)
    (found,) = bundles.search(Filters(verdict="failed"), View(ALL, ALL), None, 5).items
    assert (found.digest, found.captured_at) == (record.digest, EARLY)
    assert found.verdicts == {"prod": "failed"}
    assert bundles.get(record.digest).body == record.data
    assert Decisions(database, samples.STORE).latest(record.subject.name, "prod") == verdict
    database.dispose()


def at_revision(database: Database, revision: str) -> None:
    with database.writing() as connection:
        config = _alembic()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def insert(connection, table: str, row: dict) -> None:
    names = ", ".join(row)
    values = ", ".join(f":{name}" for name in row)
    connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({values})"), row)


def test_a_record_that_was_never_seen_is_listed_after_the_upgrade_too(new_url):
    database = Database(new_url())
    at_revision(database, "0001")
    record = samples.record()
    row = {
        "digest": record.digest,
        "subject": record.subject.name,
        "release_digest": record.release,
        "body": record.data,
        "created_at": EARLY,
    }
    with database.writing() as connection:
        insert(connection, "records", row)
    database.migrate()
    (found,) = Bundles(database, samples.STORE).search(Filters(), View(ALL, ALL), None, 5).items
    assert (found.digest, found.captured_at) == (record.digest, EARLY)
    database.dispose()
