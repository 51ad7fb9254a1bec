"""The connection to the database, and its schema."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, create_engine, event, inspect, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from ..errors import BadConfig, SchemaTooNew, StorageUnavailable


class Database:
    """One engine. SQLite is embedded; PostgreSQL is another URL."""

    def __init__(self, url: str) -> None:
        try:
            self.url = make_url(url)
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

        self.check_not_newer()
        with self.writing() as connection:
            config = _alembic()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def check_not_newer(self) -> None:
        """Refuse a schema that this version does not know: it could lose what it cannot see."""
        from alembic.migration import MigrationContext
        from alembic.script import ScriptDirectory

        with self.reading() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return
            now = MigrationContext.configure(connection).get_current_revision()
        known = {one.revision for one in ScriptDirectory.from_config(_alembic()).walk_revisions()}
        if now is not None and now not in known:
            raise SchemaTooNew(
                f"the database has schema {now}, which this version does not know",
                "run the version of the service that wrote it, or a newer one",
            )

    def ping(self) -> None:
        """StorageUnavailable unless the database answers."""
        with self.reading() as connection:
            connection.exec_driver_sql("SELECT 1")

    def dispose(self) -> None:
        """Close every connection, before a fork or at the end."""
        self.engine.dispose()


def insert_new(connection: Connection, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
    """Insert the rows whose primary key is not there yet: what has a digest is never rewritten."""
    rows = list(rows)
    if not rows:
        return
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    connection.execute(dialect.insert(table).on_conflict_do_nothing(), rows)


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


def _options(backend: str) -> dict[str, Any]:
    if backend == "sqlite":
        return {"connect_args": {"timeout": 30}}
    return {"pool_size": 10, "max_overflow": 5, "pool_pre_ping": True}


def _embedded(connection: Any, _: object) -> None:
    connection.isolation_level = None  # transactions begin where we say, also around DDL
    cursor = connection.cursor()
    for setting in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {setting}")
    cursor.close()


def _alembic() -> Any:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(files(__package__) / "migrations"))
    return config
