"""Timestamps over the signatures of statements: at most one each, added when it comes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import select

from .database import Database, batches, insert_new
from .tables import leaves, statements, timestamps


@dataclass(frozen=True)
class Unstamped:
    """A statement of ours without a timestamp, and where it stands in the log."""

    place: int
    digest: str
    envelope: bytes = field(repr=False)


class Timestamps:
    """The table of timestamps."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def lacking(self, after: int, limit: int) -> list[Unstamped]:
        """Statements behind a place of the log that have no timestamp, in the order of the log."""
        query = (
            select(leaves.c.place, statements.c.digest, statements.c.envelope)
            .join(statements, statements.c.digest == leaves.c.statement)
            .outerjoin(timestamps, timestamps.c.statement == leaves.c.statement)
            .where(leaves.c.place > after, timestamps.c.statement.is_(None))
            .order_by(leaves.c.place)
            .limit(limit)
        )
        with self.database.reading() as connection:
            return [Unstamped(*row) for row in connection.execute(query)]

    def add(self, statement: str, token: bytes, time: str, authority: str) -> None:
        """Keep a statement's timestamp: the whole response, DER. The first one stays."""
        row = {"statement": statement, "token": token, "time": time, "authority": authority}
        with self.database.writing() as connection:
            insert_new(connection, timestamps, [row])

    def tokens(self, digests: Sequence[str]) -> dict[str, bytes]:
        """The timestamps of statements, by the statement's digest; those that there are."""
        found: dict[str, bytes] = {}
        query = select(timestamps.c.statement, timestamps.c.token)
        with self.database.reading() as connection:
            for some in batches(digests):
                rows = connection.execute(query.where(timestamps.c.statement.in_(some)))
                found.update((row.statement, row.token) for row in rows)
        return found
