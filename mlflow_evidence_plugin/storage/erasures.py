"""Erasing: what goes with a record, in one transaction, and what is left to say that it is gone."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, delete, select, text, update

from ..errors import Erased
from ..ledger import subject_digest
from ..record import Record, digest_of
from ..statements.tombstone import TOMBSTONE
from . import ledger
from .database import Database, batches
from .tables import (
    attestations,
    decisions,
    erasures,
    labels,
    listings,
    materials,
    records,
    standing,
    statements,
    timestamps,
    verdicts,
)

_HEX = re.compile(rb"[0-9a-f]{64}")


@dataclass(frozen=True)
class Erasure:
    """A record that was erased. `statement` is the digest of the tombstone.

    `erased` are those of the statements that went with it; `log_subject` stands for the subject in
    the log.
    """

    record: str
    subject: str
    model: str | None
    experiment: str | None
    log_subject: str
    statement: str
    reason: str
    by: str
    at: str
    erased: tuple[str, ...]

    @property
    def facts(self) -> dict[str, Any]:
        """What a caller who may see it is told."""
        told = ("record", "subject", "reason", "by", "at", "statement")
        return {name: getattr(self, name) for name in told} | {"erased": list(self.erased)}


@dataclass(frozen=True)
class Tombstone:
    """A signed tombstone, and what it says beside the record."""

    envelope: bytes
    reason: str
    by: str
    at: str
    erased: Collection[str]


class Erasures:
    """What was erased of one store's evidence."""

    def __init__(self, database: Database, store: str) -> None:
        self.database = database
        self.store = store

    def of(self, digest: str) -> Erasure | None:
        """The erasure of a record, if it was erased."""
        return next(iter(self.of_records([digest])), None)

    def of_records(self, digests: Collection[str]) -> list[Erasure]:
        """The erasures of those among these records that were erased."""
        with self.database.reading() as connection:
            return [
                _erasure(row)
                for some in batches(sorted(digests))
                for row in connection.execute(_ERASED.where(erasures.c.record_digest.in_(some)))
            ]

    def of_subject(self, subject: str) -> list[Erasure]:
        """All erasures about a subject, by its digest in the log."""
        query = _ERASED.where(erasures.c.log_subject == subject)
        with self.database.reading() as connection:
            return [_erasure(row) for row in connection.execute(query)]

    def bound(self, record: str) -> list[str]:
        """Digests of all statements on a record, ours and those of others."""
        with self.database.reading() as connection:
            return _bound(connection, record)

    def erase(self, record: Record, told: Tombstone) -> bool:
        """Take a record away with all that goes with it, and enter its tombstone into the log.

        False, and nothing happens, if another statement on it has come since they were listed, or
        it is gone already.
        """
        with self.database.writing() as connection:
            if connection.dialect.name == "postgresql":
                # Before the log's lock, as everybody who writes here takes them. SQLite has one
                # writer anyway.
                for table in (materials, attestations):
                    locking = f"LOCK TABLE {table.name} IN SHARE ROW EXCLUSIVE MODE"
                    connection.execute(text(locking))
            ledger.lock(connection)
            if _bound(connection, record.digest) != sorted(told.erased):
                return False
            if absence(connection, record.digest) is not None:
                return False
            _delete(connection, self.store, record)
            _enter(connection, self.store, record, told)
        self._overwrite()
        return True

    def _overwrite(self) -> None:
        """SQLite alone: what was erased stands in its log of changes until that begins anew."""
        if self.database.engine.dialect.name == "sqlite":
            with self.database.reading() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")


def absence(connection: Connection, digest: str, store: str | None = None) -> Erased | None:
    """The error that says that a record (of a store) was erased; None for one that was not."""
    query = _ERASED.where(erasures.c.record_digest == digest)
    of_store = query if store is None else query.where(erasures.c.store == store)
    row = connection.execute(of_store).first()
    return None if row is None else erased_error(_erasure(row))


def refuse_erased(connection: Connection, digest: str) -> None:
    """Erased for a record that was: nothing more may be kept of it."""
    if (error := absence(connection, digest)) is not None:
        raise error


def erased_error(one: Erasure) -> Erased:
    """The error for who asks for it."""
    return Erased(
        f"the evidence {one.record} of {one.subject} was erased at {one.at}: {one.reason}",
        "mend the run in the tracking store, or delete it: as it was it is not captured again",
        one.facts,
    )


def _bound(connection: Connection, record: str) -> list[str]:
    found: list[str] = []
    for table in (statements, attestations):
        query = select(table.c.digest).where(table.c.record_digest == record)
        found += connection.execute(query).scalars()
    return sorted(found)


def _delete(connection: Connection, store: str, record: Record) -> None:
    """Everything but the record's row, which stays without its bytes, and the log."""
    digest, subject = record.digest, record.subject.name
    orphans = _orphans(connection, record)
    listing = select(listings.c.id).where(listings.c.record_digest == digest).scalar_subquery()
    ours = select(statements.c.digest).where(statements.c.record_digest == digest)
    gone = (
        delete(labels).where(labels.c.id == listing),
        delete(verdicts).where(verdicts.c.id == listing),
        delete(listings).where(listings.c.record_digest == digest),
        delete(timestamps).where(timestamps.c.statement.in_(ours)),
        delete(statements).where(statements.c.record_digest == digest),
        delete(attestations).where(attestations.c.record_digest == digest),
        delete(decisions).where(decisions.c.record_digest == digest),
        delete(standing).where(standing.c.store == store, standing.c.subject == subject),
        update(records).where(records.c.digest == digest).values(body=b""),
    )
    for one in gone:
        connection.execute(one)
    for some in batches(sorted(orphans)):
        connection.execute(delete(materials).where(materials.c.digest.in_(some)))
    # Verdicts on others may have been made from it: they are to be made anew.
    for column, value in (
        (standing.c.model, record.subject.model),
        (standing.c.experiment, record.experiment),
    ):
        if value is not None:
            here = (standing.c.store == store, column == value)
            connection.execute(update(standing).where(*here).values(checked_at=None))


def _orphans(connection: Connection, record: Record) -> set[str]:
    """Materials that this record names and no other one does."""
    named = _digests(record.data)
    found: set[str] = set()
    for some in batches(sorted(named)):
        query = select(materials.c.digest).where(materials.c.digest.in_(some))
        found.update(connection.execute(query).scalars())
    if not found:
        return found
    others = select(records.c.body).where(records.c.digest != record.digest)
    with connection.execute(others, execution_options={"yield_per": 100}) as rows:
        for row in rows:
            found -= _digests(row.body)
            if not found:
                break
    return found


def _digests(body: bytes) -> set[str]:
    return {f"sha256:{one.decode()}" for one in _HEX.findall(body)}


def _enter(connection: Connection, store: str, record: Record, told: Tombstone) -> None:
    statement, subject = digest_of(told.envelope), subject_digest(record.subject)
    row = {
        "digest": statement,
        "record_digest": record.digest,
        "predicate_type": TOMBSTONE,
        "envelope": told.envelope,
        "created_at": told.at,
        "superseded": True,  # no bundle shows it: there is none any more
    }
    connection.execute(statements.insert().values(row))
    erasure = {
        "record_digest": record.digest,
        "store": store,
        "log_subject": subject,
        "statement": statement,
        "reason": told.reason,
        "erased_by": told.by,
        "erased_at": told.at,
        "erased": json.dumps(sorted(told.erased)),
    }
    connection.execute(erasures.insert().values(erasure))
    ledger.append(connection, [(subject, statement)])


_ERASED: Select[Any] = select(
    erasures, records.c.subject, records.c.model, records.c.experiment
).join(records, records.c.digest == erasures.c.record_digest)


def _erasure(row: Any) -> Erasure:
    return Erasure(
        row.record_digest,
        row.subject,
        row.model,
        row.experiment,
        row.log_subject,
        row.statement,
        row.reason,
        row.erased_by,
        row.erased_at,
        tuple(json.loads(row.erased)),
    )


__all__ = ["Erasure", "Erasures", "Tombstone", "absence", "refuse_erased"]
