"""The search for bundles: newest first, a page at a time, by what they are listed under."""

from __future__ import annotations

import base64
import binascii
import fnmatch
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, Select, select

from ..errors import BadInput
from .listings import MODEL, RUN, SUBJECT, TAG, VERDICT, label, position, statuses
from .tables import labels, listings

LOOKED_AT = 2000
"""Rows that one page looks at, at the most: a page of somebody who sees little may be short."""

SAMPLE = 500
"""Ids by which labels are compared: the rarer one's newest reach back further."""


@dataclass(frozen=True)
class Filters:
    """What a search may ask for; None asks for nothing.

    `tag` is `name=value`; `verdict` is of `environment`, or of any; times are RFC 3339 in UTC,
    `since` included and `until` not.
    """

    run_id: str | None = None
    model: str | None = None
    version: str | None = None
    owner: str | None = None
    ticket: str | None = None
    tag: str | None = None
    verdict: str | None = None
    environment: str | None = None
    since: str | None = None
    until: str | None = None

    def names(self) -> Iterator[tuple[str, str]]:
        """What the bundles must be listed under. BadInput for half of a pair."""
        if self.run_id:
            yield RUN, self.run_id
        if self.version:
            if not self.model:
                raise BadInput("a version is asked for without its model", "give the model too")
            yield SUBJECT, f"models/{self.model}/{self.version}"
        elif self.model:
            yield MODEL, self.model
        if self.owner:
            yield f"{TAG}evidence.owner", self.owner
        if self.ticket:
            yield f"{TAG}evidence.ticket", self.ticket
        if self.tag:
            name, equals, value = self.tag.partition("=")
            if not (name and equals):
                raise BadInput(f"{self.tag!r} is no tag to search for", "write tag=NAME=VALUE")
            yield TAG + name, value
        if self.environment and not self.verdict:
            raise BadInput("an environment is asked for without a verdict", "give verdict too")
        if self.verdict:
            yield f"{VERDICT}:{self.environment}" if self.environment else VERDICT, self.verdict


@dataclass(frozen=True)
class Listing:
    """One bundle, as a search finds it. `verdicts` are statuses by environment."""

    digest: str
    subject: str
    run_id: str | None
    model: str | None
    version: str | None
    experiment: str | None
    owner: str | None
    ticket: str | None
    captured_at: str
    verdicts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Page:
    """Listings, and the cursor of the next page; None at the end."""

    items: tuple[Listing, ...]
    next: str | None


@dataclass(frozen=True)
class View:
    """What a caller may see: globs of experiments and of models."""

    experiments: Sequence[str]
    models: Sequence[str]

    def shows(self, model: str | None, experiment: str | None) -> bool:
        """Whether the globs cover its model, and its run's experiment if it has one."""
        if model and experiment is None:
            return matches(model, self.models)
        return (not model or matches(model, self.models)) and matches(experiment, self.experiments)


def matches(name: str | None, globs: Sequence[str]) -> bool:
    """Whether a name lies in one of the globs. Case counts."""
    if name is None:
        return False
    return "*" in globs or any(fnmatch.fnmatchcase(name, glob) for glob in globs)


def search(
    connection: Connection,
    asked_of: tuple[str, View],
    filters: Filters,
    cursor: str | None,
    limit: int,
    now: str | None,
) -> Page:
    """The newest bundles that match. BadInput for a cursor of another search."""
    store, view = asked_of
    before = _position(cursor, store, filters) if cursor else None
    asked = [label(store, *one) for one in filters.names()]
    query, key = _query(store, filters, _rarest_first(connection, asked, before))
    found: list[Row[Any]] = []
    looked, size = 0, limit + 1
    while True:
        ahead = query if before is None else query.where(key < before)
        rows = connection.execute(ahead.limit(size)).all()
        for row in rows:
            before = row.id
            if not view.shows(row.model, row.experiment):
                continue
            if len(found) == limit:  # only what is the caller's says that there is more
                return _page(connection, found, now, _cursor(found[-1].id, store, filters))
            found.append(row)
        looked += len(rows)
        if len(rows) < size:
            return _page(connection, found, now, None)
        if looked >= LOOKED_AT:
            return _page(connection, found, now, _cursor(rows[-1].id, store, filters))
        size = min(looked, LOOKED_AT - looked)  # as much again, for who saw little of it


def _rarest_first(
    connection: Connection, asked: Sequence[UUID], before: UUID | None
) -> Sequence[UUID]:
    """The labels in the order in which they are best joined. PostgreSQL finds it itself."""
    if len(asked) < 2 or connection.dialect.name != "sqlite":
        return asked
    ids = select(labels.c.id).order_by(labels.c.id.desc()).offset(SAMPLE).limit(1)
    ahead = ids if before is None else ids.where(labels.c.id < before)
    ends = (ahead.where(labels.c.label == one).scalar_subquery() for one in asked)
    reach = dict(zip(asked, connection.execute(select(*ends)).one(), strict=True))
    return sorted(asked, key=lambda one: reach[one] or UUID(int=0))


def _query(store: str, filters: Filters, asked: Sequence[UUID]) -> tuple[Select[Any], Any]:
    query = select(listings)
    if asked:
        # From one label's ids, which stand in order, to the rows: no plan can be worse than that.
        first, *others = (labels.alias(f"label{number}") for number in range(len(asked)))
        query = select(listings).select_from(first).join(listings, listings.c.id == first.c.id)
        for other, one in zip(others, asked[1:], strict=True):
            query = query.join(other, (other.c.id == first.c.id) & (other.c.label == one))
        query = query.where(first.c.label == asked[0])
        key = first.c.id
    else:
        query = query.where(listings.c.store == store)
        key = listings.c.id
    if filters.since:
        query = query.where(key >= position(filters.since))
    if filters.until:
        query = query.where(key < position(filters.until))
    return query.order_by(key.desc()), key


def _page(
    connection: Connection, rows: Sequence[Row[Any]], now: str | None, following: str | None
) -> Page:
    return Page(tuple(found(connection, rows, now)), following)


def found(connection: Connection, rows: Sequence[Row[Any]], now: str | None) -> list[Listing]:
    """Rows of listings, with their verdicts."""
    known = statuses(connection, [row.id for row in rows], now)
    return [_listing(row, known[row.id]) for row in rows]


def _listing(row: Row[Any], verdicts: dict[str, str]) -> Listing:
    return Listing(
        row.record_digest,
        row.subject,
        row.run_id,
        row.model,
        row.version,
        row.experiment,
        row.owner,
        row.ticket,
        row.captured_at,
        verdicts,
    )


def _cursor(last: UUID, store: str, filters: Filters) -> str:
    return base64.urlsafe_b64encode(_seal(store, filters) + last.bytes).decode()


def _position(cursor: str, store: str, filters: Filters) -> UUID:
    try:
        raw = base64.b64decode(cursor.encode("ascii"), b"-_", validate=True)
    except (ValueError, binascii.Error):
        raw = b""
    if len(raw) != 24 or raw[:8] != _seal(store, filters):
        mend = "ask without a cursor first, and change nothing but the cursor from page to page"
        raise BadInput("the cursor is not one of this search", mend)
    return UUID(bytes=raw[8:])


def _seal(store: str, filters: Filters) -> bytes:
    return hashlib.sha256(json.dumps([store, vars(filters)]).encode()).digest()[:8]


__all__ = ["Filters", "Listing", "Page", "View", "found", "matches", "search"]
