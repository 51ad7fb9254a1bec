"""Records by a change ticket: their runs name it, or an approval or a waiver of them does."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select

from ..statements import APPROVAL, WAIVER
from .database import Database, insert_new
from .listings import TAG, label
from .search import LOOKED_AT, Listing, View, found
from .tables import labels, listings, statements

GOVERNANCE = f"{TAG}evidence.ticket"
SAID = {APPROVAL: "approval:ticket", WAIVER: "waiver:ticket"}
"""The label of a record on which such a statement names a ticket."""

_BATCH = 500


class Tickets:
    """The tickets of one store."""

    def __init__(self, database: Database, store: str) -> None:
        self.database = database
        self.store = store

    def page(
        self, ticket: str, view: View, before: UUID | None, limit: int, now: str
    ) -> tuple[list[Listing], UUID | None]:
        """The newest records of a ticket, each once, and where the next page begins.

        A page of somebody who sees little may be short, and still have a next one.
        """
        named = [label(self.store, one, ticket) for one in (GOVERNANCE, *SAID.values())]
        ids = select(labels.c.id).where(labels.c.label.in_(named)).distinct()
        if before is not None:
            ids = ids.where(labels.c.id < before)
        newest = ids.order_by(labels.c.id.desc()).limit(LOOKED_AT).subquery()
        query = (
            select(listings)
            .join(newest, newest.c.id == listings.c.id)
            .order_by(listings.c.id.desc())
        )
        kept: list[Any] = []
        with self.database.reading() as connection:
            rows = connection.execute(query).all()
            for row in rows:
                if not view.shows(row.model, row.experiment):
                    continue  # only what is the caller's says that there is more
                if len(kept) == limit:
                    return found(connection, kept, now), kept[-1].id
                kept.append(row)
            more = rows[-1].id if len(rows) == LOOKED_AT else None
            return found(connection, kept, now), more


def name(connection: Connection, store: str, said: Sequence[tuple[str, str, bytes]]) -> None:
    """Let records be found by the tickets of statements: record, kind and envelope of each."""
    rows = []
    for record, kind, envelope in said:
        ticket = _ticket(envelope)
        listed = select(listings.c.id).where(listings.c.record_digest == record)
        at = connection.execute(listed).scalar()
        if ticket is not None and at is not None:
            rows.append({"label": label(store, SAID[kind], ticket), "id": at})
    insert_new(connection, labels, rows)


def restore(connection: Connection) -> None:
    """The same for all statements that there are: after an upgrade."""
    query = (
        select(
            statements.c.record_digest,
            statements.c.predicate_type,
            statements.c.envelope,
            listings.c.store,
        )
        .join(listings, listings.c.record_digest == statements.c.record_digest)
        .where(statements.c.predicate_type.in_(tuple(SAID)))
    )
    for rows in connection.execute(query).partitions(_BATCH):
        for row in rows:
            name(connection, row.store, [tuple(row)[:3]])


def _ticket(envelope: bytes) -> str | None:
    payload = json.loads(base64.b64decode(json.loads(envelope)["payload"]))
    ticket: str | None = payload["predicate"].get("ticket")
    return ticket


__all__ = ["Tickets", "name", "restore"]
