"""What there is of each subject now: the record that was seen last, and its verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Select, func, select

from ..record import Record, read_kept
from .database import Database, batches
from .listings import statuses
from .search import LOOKED_AT, View
from .tables import listings, observations, records


@dataclass(frozen=True)
class Held:
    """A subject's newest evidence. `body` is empty where that was erased.

    `seen_at` is when the subject was last seen so; `verdicts` are statuses by environment.
    """

    subject: str
    digest: str
    body: bytes = field(repr=False)
    seen_at: str
    verdicts: dict[str, str]

    def record(self) -> Record | None:
        """The record; None for one that was erased."""
        return read_kept(self.body) if self.body else None


class Holdings:
    """The newest evidence of the subjects of one store."""

    def __init__(self, database: Database, store: str) -> None:
        self.database = database
        self.store = store

    def newest(self, subjects: Sequence[str], now: str) -> dict[str, Held]:
        """By subject; without those of which there is none."""
        found: dict[str, Held] = {}
        with self.database.reading() as connection:
            for some in batches(sorted(set(subjects))):
                last = (
                    select(func.max(observations.c.seq))
                    .where(
                        observations.c.store == self.store,
                        observations.c.subject.in_(some),
                    )
                    .group_by(observations.c.subject)
                )
                query = _QUERY.where(observations.c.seq.in_(last))
                found |= {one.subject: one for one in _held(connection, query, now)}
        return found

    def page(
        self, view: View, model: str | None, before: int | None, limit: int, now: str
    ) -> tuple[list[Held], int | None]:
        """Subjects in the order in which they were seen last, and where the next page begins.

        A page of somebody who sees little may be short, and still have a next one.
        """
        later = observations.alias("later")
        again = select(later.c.seq).where(
            later.c.store == self.store,
            later.c.subject == observations.c.subject,
            later.c.seq > observations.c.seq,
        )
        query = _QUERY.where(observations.c.store == self.store, ~again.exists())
        if model is not None:
            query = query.where(observations.c.model == model)
        if before is not None:
            query = query.where(observations.c.seq < before)
        rows: list[Any] = []
        following = None
        with self.database.reading() as connection:
            ordered = query.order_by(observations.c.seq.desc()).limit(LOOKED_AT)
            streamed = connection.execute(ordered, execution_options={"yield_per": limit})
            looked = 0
            with streamed:
                for row in streamed:
                    looked += 1
                    if view.shows(row.model, row.experiment):
                        rows.append(row)
                    if len(rows) == limit or looked == LOOKED_AT:
                        following = row.seq
                        break
            return _named(connection, rows, now), following


_QUERY = (
    select(
        observations.c.seq,
        observations.c.subject,
        observations.c.record_digest,
        observations.c.model,
        observations.c.experiment,
        observations.c.captured_at,
        records.c.body,
        listings.c.id,
    )
    .join(records, records.c.digest == observations.c.record_digest)
    .outerjoin(listings, listings.c.record_digest == observations.c.record_digest)
)


def _held(connection: Connection, query: Select[Any], now: str) -> list[Held]:
    return _named(connection, connection.execute(query).all(), now)


def _named(connection: Connection, rows: Sequence[Any], now: str) -> list[Held]:
    known = statuses(connection, [row.id for row in rows if row.id is not None], now)
    return [
        Held(row.subject, row.record_digest, row.body, row.captured_at, known.get(row.id, {}))
        for row in rows
    ]
