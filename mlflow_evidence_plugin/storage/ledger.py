"""The log of all statements, kept in the transactions that keep the statements."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, func, select, text

from ..errors import BadInput, NotFound
from ..ledger import Checkpoint, Leaf, merkle, subject_digest
from ..record import read_kept
from .database import Database, batches, insert_new
from .tables import counts, heads, leaves, ledger, nodes, records, statements

ORIGIN = "mlflow-evidence.dev/ledger/"
_APPENDING = 0x6C6F67  # names our advisory lock on PostgreSQL
_BATCH = 500

Entry = tuple[str, str]
"""The digest of a subject, and that of a statement about it."""


@dataclass(frozen=True)
class Placed:
    """A leaf, its place in the log, and the proof that it is there."""

    index: int
    leaf: Leaf
    proof: tuple[bytes, ...]


def append(connection: Connection, entries: Sequence[Entry]) -> None:
    """Add a leaf for each statement, in this order; one that has its leaf already is passed over.

    Late in its transaction: others who append wait from here to its end.
    """
    lock(connection)
    there = _entered(connection, [statement for _, statement in entries])
    new = [entry for entry in dict.fromkeys(entries) if entry[1] not in there]
    if not new:
        return
    last = _last(connection, {subject for subject, _ in new})
    added: list[Leaf] = []
    for subject, statement in new:
        before = last.get(subject)
        sequence, previous = (before.sequence + 1, before.digest) if before else (0, None)
        last[subject] = Leaf(subject, sequence, previous, statement)
        added.append(last[subject])
    size = _size(connection)
    frontier = _hashes(connection, merkle.complete((0, size)))
    made = merkle.grown(size, frontier, [leaf.hash for leaf in added])
    rows = [{"place": place, **vars(leaf)} for place, leaf in enumerate(added, size)]
    connection.execute(leaves.insert(), rows)
    grown = [{"id": _id(node), "hash": found} for node, found in made.items()]
    connection.execute(nodes.insert(), grown)


def lock(connection: Connection) -> None:
    """Keep others from appending until the transaction's end."""
    if connection.dialect.name == "postgresql":
        # SQLite has one writer anyway.
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _APPENDING})


def restore(connection: Connection) -> None:
    """Name the log, and enter what was kept before there was one."""
    row = {"id": 1, "origin": ORIGIN + uuid.uuid4().hex}
    insert_new(connection, ledger, [row])
    if _size(connection):
        return
    query = (
        select(records.c.body, statements.c.digest)
        .join(records, records.c.digest == statements.c.record_digest)
        .order_by(statements.c.created_at, statements.c.record_digest, statements.c.digest)
    )
    found = connection.execute(query.execution_options(yield_per=_BATCH))
    for rows in found.partitions():
        # A record's statements stand together: it is read once for all of them.
        append(
            connection,
            [
                (subject, row.digest)
                for body, of_record in groupby(rows, key=lambda row: row.body)
                for subject in [subject_digest(read_kept(body).subject)]
                for row in of_record
            ],
        )


class Ledger:
    """What can be asked of the log."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def head(self, size: int | None = None) -> Checkpoint:
        """The head now, or when the log had `size` leaves; BadInput if it has fewer."""
        with self.database.reading() as connection:
            origin = connection.execute(select(ledger.c.origin)).scalar_one()
            size = _within(connection, size)
            hashes = _hashes(connection, merkle.complete((0, size)))
        return Checkpoint(origin, size, merkle.root((0, size), hashes))

    def note(self, size: int) -> str | None:
        """The signed head of this size, if it was signed."""
        with self.database.reading() as connection:
            query = select(heads.c.note).where(heads.c.size == size)
            return connection.execute(query).scalar()

    def keep_note(self, size: int, note: str, at: str) -> str:
        """Keep a signed head; the one that was kept first, if another was."""
        with self.database.writing() as connection:
            insert_new(connection, heads, [{"size": size, "note": note, "signed_at": at}])
            query = select(heads.c.note).where(heads.c.size == size)
            kept: str = connection.execute(query).scalar_one()
            return kept

    def counts_from(self) -> int:
        """Under heads of more leaves than this, the leaves about a subject are counted."""
        with self.database.reading() as connection:
            found: int = connection.execute(select(ledger.c.counts_from)).scalar_one()
        return found

    def count_note(self, size: int, subject: str) -> str | None:
        """The signed count of the leaves about a subject under a head, if it was signed."""
        with self.database.reading() as connection:
            query = select(counts.c.note)
            here = (counts.c.size == size, counts.c.subject == subject)
            return connection.execute(query.where(*here)).scalar()

    def keep_count(self, size: int, subject: str, note: str, at: str) -> str:
        """Keep a signed count; the one that was kept first, if another was."""
        row = {"size": size, "subject": subject, "note": note, "signed_at": at}
        with self.database.writing() as connection:
            insert_new(connection, counts, [row])
        return self.count_note(size, subject) or note

    def chain(self, subject: str, size: int) -> list[Placed]:
        """All leaves about a subject in the log of `size` leaves, in order, each proven."""
        with self.database.reading() as connection:
            query = select(leaves).where(leaves.c.subject == subject, leaves.c.place < size)
            rows = connection.execute(query.order_by(leaves.c.sequence)).all()
            return _proven(connection, rows, size)

    def place(self, statement: str, size: int) -> Placed:
        """The leaf of a statement, proven; NotFound."""
        with self.database.reading() as connection:
            query = select(leaves).where(leaves.c.statement == statement, leaves.c.place < size)
            rows = connection.execute(query).all()
            if not rows:
                raise NotFound(f"no leaf of the log is of the statement {statement}")
            return _proven(connection, rows, size)[0]

    def growth(self, old: int, new: int) -> tuple[bytes, ...]:
        """The proof that the log of `old` leaves is the beginning of that of `new`; BadInput."""
        if not 0 <= old <= new:
            raise BadInput(f"a log of {old} leaves cannot grow into one of {new}", "swap them")
        with self.database.reading() as connection:
            ranges = merkle.consistency(old, _within(connection, new))
            hashes = _hashes(connection, merkle.nodes(ranges))
        return tuple(merkle.root(one, hashes) for one in ranges)


def _size(connection: Connection) -> int:
    last: int | None = connection.execute(select(func.max(leaves.c.place))).scalar()
    return 0 if last is None else last + 1


def _within(connection: Connection, size: int | None) -> int:
    now = _size(connection)
    if size is None:
        return now
    if not 0 <= size <= now:
        raise BadInput(f"the log has {now} leaves, not {size}", f"ask for at most {now}")
    return size


def _hashes(connection: Connection, wanted: Iterable[merkle.Node]) -> Mapping[merkle.Node, bytes]:
    asked = {_id(node): node for node in wanted}
    found: dict[merkle.Node, bytes] = {}
    for some in batches(list(asked)):
        for row in connection.execute(select(nodes).where(nodes.c.id.in_(some))):
            found[asked[row.id]] = bytes(row.hash)
    return found


def _id(node: merkle.Node) -> int:
    # One number: databases look a list of pairs up by reading the whole table.
    level, place = node
    return place << 6 | level


def _entered(connection: Connection, asked: Sequence[str]) -> set[str]:
    """Which statements have a leaf already."""
    found: set[str] = set()
    for some in batches(asked):
        query = select(leaves.c.statement).where(leaves.c.statement.in_(some))
        found.update(connection.execute(query).scalars())
    return found


def _last(connection: Connection, subjects: Iterable[str]) -> dict[str, Leaf]:
    """The last leaf about each subject that has one."""
    found: dict[str, Leaf] = {}
    for some in batches(list(subjects)):
        newest = (
            select(leaves.c.subject, func.max(leaves.c.sequence).label("sequence"))
            .where(leaves.c.subject.in_(some))
            .group_by(leaves.c.subject)
            .subquery()
        )
        here = (leaves.c.subject == newest.c.subject, leaves.c.sequence == newest.c.sequence)
        for row in connection.execute(select(leaves).join(newest, here[0] & here[1])):
            found[row.subject] = _leaf(row)
    return found


def _proven(connection: Connection, rows: Sequence[Any], size: int) -> list[Placed]:
    ranges = [merkle.inclusion(row.place, size) for row in rows]
    hashes = _hashes(connection, merkle.nodes(one for proof in ranges for one in proof))
    return [
        Placed(row.place, _leaf(row), tuple(merkle.root(one, hashes) for one in proof))
        for row, proof in zip(rows, ranges, strict=True)
    ]


def _leaf(row: Any) -> Leaf:
    return Leaf(row.subject, row.sequence, row.previous, row.statement)
