"""What is said about a subject beside its captures: approvals, waivers, attestations that count."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Select, func, select

from ..errors import StillChanging
from ..ledger import subject_digest
from ..record import Subject, digest_of
from ..statements import APPROVAL, TOMBSTONE, WAIVER
from . import ledger, tickets
from .database import Database, insert_new
from .erasures import refuse_erased
from .standing import unsettle
from .tables import attestations, leaves, statements


@dataclass(frozen=True)
class Entry:
    """A signed statement about a subject. `signer` and `received_at` are of one of others."""

    digest: str
    kind: str
    envelope: bytes = field(repr=False)
    signer: str | None = None
    received_at: str | None = None


@dataclass(frozen=True)
class Said:
    """The entries about a subject in the log's order, when the log had `leaves` about it."""

    entries: tuple[Entry, ...]
    leaves: int


class Approvals:
    """What people and other programs have said about the subjects of one store."""

    def __init__(self, database: Database, store: str) -> None:
        self.database = database
        self.store = store

    def add(
        self,
        about: tuple[Subject, str],
        kind: str,
        envelope: bytes,
        at: str,
        seen: int | None = None,
    ) -> str:
        """Keep a statement about a subject, made of one of its records; its digest.

        Erased for a record that was. StillChanging, and nothing is kept, if people have said more
        about the subject than when the log had the number of leaves about it that were `seen`.
        """
        subject, record = about
        digest = digest_of(envelope)
        row = {
            "digest": digest,
            "record_digest": record,
            "predicate_type": kind,
            "envelope": envelope,
            "created_at": at,
        }
        with self.database.writing() as connection:
            ledger.lock(connection)  # what is found now is so until the end
            refuse_erased(connection, record)  # it may have been since it was looked at
            if seen is not None and _said_since(connection, subject_digest(subject), seen):
                raise StillChanging(f"others spoke of {subject.name} meanwhile", "try again")
            insert_new(connection, statements, [row])
            tickets.name(connection, self.store, [(record, kind, envelope)])
            ledger.append(connection, [(subject_digest(subject), digest)])
            unsettle(connection, self.store, [subject.name])
        return digest

    def said(self, subject: Subject, others: bool = True) -> Said:
        """Approvals, waivers and erasures of a subject; with `others`, attestations that count."""
        named = subject_digest(subject)
        with self.database.reading() as connection:
            # First: a leaf that comes between the reads is then found out when a verdict is kept.
            count = leaves_about(connection, named)
            rows = list(connection.execute(_own(named)))
            rows += list(connection.execute(_others(named))) if others else []
        in_order = sorted(rows, key=lambda row: int(row.sequence))
        return Said(tuple(Entry(*row[1:]) for row in in_order), count)


def leaves_about(connection: Connection, subject: str) -> int:
    """How many leaves the log has about a subject, by its digest."""
    last = connection.execute(
        select(func.max(leaves.c.sequence)).where(leaves.c.subject == subject)
    ).scalar()
    return 0 if last is None else last + 1


_PEOPLE = (APPROVAL, WAIVER, TOMBSTONE)
"""Of an erasure too: what was said before it may be half of what there was."""


def _own(subject: str) -> Select[Any]:
    return (
        select(leaves.c.sequence, *statements.c["digest", "predicate_type", "envelope"])
        .join(statements, statements.c.digest == leaves.c.statement)
        .where(leaves.c.subject == subject, statements.c.predicate_type.in_(_PEOPLE))
    )


def _said_since(connection: Connection, subject: str, seen: int) -> bool:
    """Whether a person's entry is among the leaves about a subject behind those that were seen."""
    return connection.execute(_own(subject).where(leaves.c.sequence >= seen)).first() is not None


def _others(subject: str) -> Select[Any]:
    told = attestations.c["digest", "predicate_type", "envelope", "signer", "received_at"]
    return (
        select(leaves.c.sequence, *told)
        .join(attestations, attestations.c.digest == leaves.c.statement)
        .where(leaves.c.subject == subject)
    )
