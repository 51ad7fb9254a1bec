"""The connection to the database, and its schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Table, create_engine, event, inspect, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from ..errors import BadConfig, SchemaTooNew, SchemaTooOld, StorageUnavailable

PATIENCE = {"connect_timeout": 5, "tcp_user_timeout": 20_000, "keepalives_idle": 30}
"""For PostgreSQL: a server that is gone costs seconds, not the minutes of TCP's own patience."""

BATCH = 500
T = TypeVar("T")
_MIGRATING = 0x6D6C65  # names our advisory lock on PostgreSQL


class Database:
    """One engine. SQLite is embedded; PostgreSQL is another URL."""

    def __init__(self, url: str) -> None:
        try:
            self.url = _with_driver(make_url(url))
            if self.url.get_backend_name() == "sqlite" and self.url.database:
                Path(self.url.database).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.engine = create_engine(self.url, **_options(self.url.get_backend_name()))
        except (ArgumentError, NoSuchModuleError, ImportError) as error:
            mend = "sqlite:////path/evidence.db or postgresql+psycopg://user@host/name"
            raise BadConfig("EVIDENCE_SERVICE_DATABASE_URL cannot be used", mend) from error
        except OSError as error:
            raise BadConfig(
                f"the database's folder cannot be made: {error.strerror}: {error.filename}",
                "set EVIDENCE_SERVICE_HOME to a folder that this user may write",
            ) from error
        if self.engine.dialect.name == "sqlite":
            event.listen(self.engine, "connect", _embedded)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection to read with."""
        with _guarded(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction: all of it is kept, or nothing. On SQLite one at a time."""
        with _guarded(), self.engine.begin() as connection:
            if connection.dialect.name == "sqlite":
                # From the start, not from the first write: what was read before it still holds.
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection

    def migrate(self) -> None:
        """Bring the schema up to date. SchemaTooNew when a newer version wrote it."""
        from alembic import command

        from . import ledger, listings, tickets

        with self.writing() as connection:
            if connection.dialect.name == "postgresql":
                # One at a time: several replicas may start at once.
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATING})")
            schema = _schema(connection)
            if schema.now != schema.head:
                config = _alembic()
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
                listings.restore(connection)
                if schema.now == "0002":
                    listings.add_roots(connection)
                tickets.restore(connection)
                ledger.restore(connection)

    @property
    def shown(self) -> str:
        """Where it is, without what may be secret."""
        return self.url.set(query={}).render_as_string(hide_password=True)

    def is_new(self) -> bool:
        """Whether nobody has made a schema in it yet."""
        with self.reading() as connection:
            return _schema(connection).now is None

    def check(self) -> str:
        """The schema's revision. SchemaTooNew or SchemaTooOld unless it is this version's."""
        with self.reading() as connection:
            schema = _schema(connection)
        if schema.now != schema.head:
            raise SchemaTooOld(
                f"the database has {f'schema {schema.now}' if schema.now else 'no schema yet'}, "
                f"and this version needs {schema.head}",
                "run: mlflow-evidence db upgrade",
            )
        return schema.head

    def ping(self) -> None:
        """StorageUnavailable unless the database answers."""
        with self.reading() as connection:
            connection.exec_driver_sql("SELECT 1")

    def dispose(self) -> None:
        """Close every connection, before a fork or at the end."""
        self.engine.dispose()


def batches(of: Sequence[T]) -> Iterator[Sequence[T]]:
    """The same in parts: databases take only so many values in one question."""
    return (of[first : first + BATCH] for first in range(0, len(of), BATCH))


def insert_new(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert the rows whose key is not there yet: what has a digest is never rewritten."""
    if rows:
        connection.execute(_insert(connection, table), rows)


def insert_digests(
    connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]
) -> set[str]:
    """The same for rows with a `digest`: the digests of those that were new."""
    if not rows:
        return set()
    insert = _insert(connection, table).returning(table.c.digest)
    return set(connection.execute(insert, rows).scalars())


def _insert(connection: Connection, table: Table) -> Any:
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    return dialect.insert(table).on_conflict_do_nothing()


@dataclass(frozen=True)
class _Schema:
    now: str | None
    head: str


def _schema(connection: Connection) -> _Schema:
    """The revision that the database has, and the one that this version makes.

    SchemaTooNew for one that this version does not know: it could lose what it cannot see.
    """
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(_alembic())
    there = inspect(connection).has_table("alembic_version")
    now = MigrationContext.configure(connection).get_current_revision() if there else None
    if now is not None and now not in {one.revision for one in scripts.walk_revisions()}:
        raise SchemaTooNew(
            f"the database has schema {now}, which this version does not know",
            "run the version of the service that wrote it, or a newer one",
        )
    return _Schema(now, scripts.get_current_head() or "")


@contextmanager
def _guarded() -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        # The driver's own words may hold values and addresses: they stay in the cause.
        raise StorageUnavailable(
            f"the evidence database failed: {type(error).__name__}",
            "see that it runs, has room, and may be written; then try again",
        ) from error


def postgres_dsn(url: str) -> str | None:
    """What the PostgreSQL driver itself takes, for others who share the database; else None."""
    made = _with_driver(make_url(url))
    if made.get_backend_name() != "postgresql":
        return None
    return made.set(drivername="postgresql").render_as_string(hide_password=False)


def _with_driver(url: URL) -> URL:
    """`postgresql://`, as every provider writes it, is meant for psycopg 3."""
    known = url.drivername in ("postgres", "postgresql")
    return url.set(drivername="postgresql+psycopg") if known else url


def _options(backend: str) -> dict[str, Any]:
    if backend == "sqlite":
        return {"connect_args": {"timeout": 30}}
    return {"pool_size": 10, "max_overflow": 5, "pool_pre_ping": True, "connect_args": PATIENCE}


def _embedded(connection: Any, _: object) -> None:
    connection.isolation_level = None  # transactions begin where we say, also around DDL
    cursor = connection.cursor()
    settings = ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "secure_delete=ON")
    for setting in settings:  # the last: what is erased is overwritten in the file
        cursor.execute(f"PRAGMA {setting}")
    cursor.close()


def _alembic() -> Any:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(files(__package__) / "migrations"))
    return config
