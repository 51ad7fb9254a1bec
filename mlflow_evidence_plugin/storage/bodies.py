"""The evidence of model versions, the newest first, to be read through without holding it all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select

from ..errors import BadInput
from .database import Database
from .listings import MODEL, label, position
from .search import View
from .tables import labels, listings, records

BATCH = 50
"""Records that are in memory at one time."""


@dataclass(frozen=True)
class Body:
    """A record as it is kept, and where reading goes on after it."""

    cursor: str
    digest: str
    subject: str
    captured_at: str
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class Asked:
    """Which evidence: of one model or of all, captured first since a time."""

    model: str | None = None
    since: str | None = None


class Bodies:
    """What there is of one store."""

    def __init__(self, database: Database, store: str) -> None:
        self.database = database
        self.store = store

    def page(
        self, asked: Asked, view: View, cursor: str | None, limit: int
    ) -> tuple[Iterator[Body], str | None]:
        """Those of the next `limit` that the caller may see, and the cursor after them all.

        BadInput for a cursor that is none.
        """
        with self.database.reading() as connection:
            rows = connection.execute(self._query(asked, cursor).limit(limit + 1)).all()
        following = _cursor(rows[limit - 1].id) if len(rows) > limit else None
        seen = [row for row in rows[:limit] if view.shows(row.model, row.experiment)]
        return self._bodies(seen), following

    def _query(self, asked: Asked, cursor: str | None) -> Any:
        query = select(listings).where(
            listings.c.store == self.store, listings.c.model.is_not(None)
        )
        if asked.model:
            of_model = (labels.c.id == listings.c.id) & (
                labels.c.label == label(self.store, MODEL, asked.model)
            )
            query = query.join(labels, of_model)
        if asked.since:
            query = query.where(listings.c.id >= position(asked.since))
        if cursor:
            query = query.where(listings.c.id < _position(cursor))
        return query.order_by(listings.c.id.desc())

    def _bodies(self, rows: Sequence[Row[Any]]) -> Iterator[Body]:
        for first in range(0, len(rows), BATCH):
            some = rows[first : first + BATCH]
            named = records.c.digest.in_([row.record_digest for row in some])
            with self.database.reading() as connection:
                found = connection.execute(select(records.c.digest, records.c.body).where(named))
                known = {row.digest: row.body for row in found}
            for row in some:
                if data := known.get(row.record_digest):  # it may have been erased meanwhile
                    told = (row.record_digest, row.subject, row.captured_at)
                    yield Body(_cursor(row.id), *told, data)


def _cursor(last: UUID) -> str:
    return last.hex


def _position(cursor: str) -> UUID:
    if len(cursor) != 32 or not all(one in "0123456789abcdef" for one in cursor):
        raise BadInput("the cursor is none", "ask without a cursor first")
    return UUID(hex=cursor)
