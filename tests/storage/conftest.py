"""Every test here runs on SQLite and on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlflow_evidence_plugin.storage import Bundles, Captured, Database
from tests.unit import samples

EARLY, NOON, LATE = (f"2026-06-01T{hour}:00:00.000Z" for hour in ("08", "12", "18"))
ALL = ("*",)


@pytest.fixture(params=["sqlite", "postgres"])
def new_url(request, tmp_path) -> Callable[[], str]:
    """Makes databases that nobody has used."""
    if request.param == "postgres":
        return request.getfixturevalue("postgres_server").new_database
    return lambda: f"sqlite:///{tmp_path / 'evidence.db'}"


@pytest.fixture(scope="session")
def migrated(postgres_server) -> str:
    """The name of a PostgreSQL database with the schema and nothing in it, to be copied."""
    made = Database(postgres_server.new_database())
    made.migrate()
    made.dispose()
    return str(made.url.database)


@pytest.fixture(params=["sqlite", "postgres"])
def database(request, tmp_path: Path) -> Iterator[Database]:
    """A database with the schema."""
    if request.param == "postgres":
        server, like = map(request.getfixturevalue, ("postgres_server", "migrated"))
        made = Database(server.new_database(like))
    else:
        made = Database(f"sqlite:///{tmp_path / 'evidence.db'}")
        made.migrate()
    yield made
    made.dispose()


def captured(record, at: str = NOON, envelope: bytes | None = None) -> Captured:
    """A record as a capture hands it over."""
    envelope = envelope or b'{"payload":"%s"}' % record.digest.encode()
    return Captured(record, {"type": envelope}, [("text/csv", b"0,0,1.0\n")], at, "ci")


def keep(database: Database, record, at: str = NOON, envelope: bytes | None = None) -> None:
    """Keep one record in a transaction of its own."""
    with database.writing() as transaction:
        Bundles(database, samples.STORE).add(transaction, [captured(record, at, envelope)])
