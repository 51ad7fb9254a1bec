"""Records with their statements and materials: written together, never changed."""

from __future__ import annotations

import fnmatch
import json
import threading
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cachetools import LRUCache, TTLCache
from sqlalchemy import Connection, Select, bindparam, select

from ..errors import NotFound
from ..record import Record, digest_of
from .database import Database, insert_new
from .tables import materials, observations, records, statements

KEPT_BYTES = 16 << 20
"""Of records that were read lately: a record never changes, so that it is kept without a doubt."""


KEPT_SECONDS = 1.0
"""For which a bundle asked for by its digest is taken to have no new statement."""


@dataclass(frozen=True)
class StoredBundle:
    """What is kept about one record: its exact bytes and the envelopes about it."""

    digest: str
    subject: str
    run_id: str | None
    model: str | None
    experiment: str | None
    body: bytes = field(repr=False)
    envelopes: tuple[bytes, ...] = field(repr=False)
    captured_at: str

    def document(self, resolved: Mapping[str, str] | None = None) -> bytes:
        """The bundle as JSON. The record stands in it byte for byte as it was signed."""
        head: dict[str, Any] = {"digest": self.digest, "subject": self.subject}
        head["captured_at"] = self.captured_at
        if resolved:
            head["resolved"] = dict(resolved)
        return b'%s, "statements": [%s], "record": %s}' % (
            json.dumps(head)[:-1].encode(),
            b",".join(self.envelopes),
            self.body,
        )


@dataclass(frozen=True)
class Filters:
    """What a search may ask for; None asks for nothing."""

    run_id: str | None = None
    model: str | None = None
    version: str | None = None


class Bundles:
    """The evidence that there is of one store: the same name in another store is another thing."""

    def __init__(self, database: Database, store: str) -> None:
        self.database = database
        self.store = store
        self._records: LRUCache[str, Any] = LRUCache(KEPT_BYTES, lambda row: len(row.body))
        self._bundles: TTLCache[str, StoredBundle] = TTLCache(
            KEPT_BYTES, KEPT_SECONDS, getsizeof=lambda bundle: len(bundle.body)
        )
        self._lock = threading.Lock()

    def add(
        self,
        connection: Connection,
        record: Record,
        envelopes: Mapping[str, bytes],
        texts: Sequence[tuple[str, bytes]],
        seen: tuple[str, str],
    ) -> None:
        """Keep a record, its envelopes by predicate type, its materials by media type.

        `seen` is when it was captured and by whom. Nothing of it is kept if the transaction of
        `connection` fails.
        """
        at, by = seen
        new = not self.known(connection, record.digest)
        if new:
            insert_new(connection, records, [_row(record, at)])
            insert_new(
                connection, statements, [_statement(record, e, at) for e in envelopes.items()]
            )
            insert_new(connection, materials, [_material(*text) for text in texts])
        values = {
            "store": record.subject.store,
            "subject": record.subject.name,
            "record_digest": record.digest,
            "run_id": record.run_id,
            "model": record.subject.model,
            "experiment": record.experiment,
            "captured_at": at,
            "captured_by": by,
        }
        connection.execute(observations.insert().values(values))

    def known(self, connection: Connection, digest: str) -> bool:
        """Whether the record is there already."""
        found = connection.execute(select(records.c.digest).where(records.c.digest == digest))
        return found.first() is not None

    def get(self, digest: str) -> StoredBundle:
        """The bundle of a record; NotFound. A statement that arrives shows within a second."""
        with self._lock:
            found = self._bundles.get(digest)
        if found is None:
            with self.database.reading() as connection:
                rows = connection.execute(_BY_DIGEST, {"digest": digest}).all()
                if not rows:
                    raise NotFound(f"there is no evidence with the digest {digest}")
                found = self._bundle(connection, rows)
            with self._lock:
                if len(found.body) <= KEPT_BYTES:
                    self._bundles[digest] = found
        return found

    def latest(self, subject: str) -> StoredBundle:
        """The newest bundle of a subject, `runs/<id>` or `models/<name>/<version>`; NotFound."""
        with self.database.reading() as connection:
            rows = connection.execute(_LATEST, {"store": self.store, "subject": subject}).all()
            if not rows:
                mend = "capture it: POST /v1/captures, or mlflow-evidence capture"
                raise NotFound(f"there is no evidence of {subject}", mend)
            return self._bundle(connection, rows)

    def _bundle(self, connection: Connection, rows: Sequence[Any]) -> StoredBundle:
        """The bundle of the rows of its statements. Statements arrive; a record never changes."""
        digest = rows[0].record_digest
        with self._lock:
            record = self._records.get(digest)
        if record is None:
            record = connection.execute(_RECORD, {"digest": digest}).one()
            with self._lock:
                if len(record.body) <= KEPT_BYTES:
                    self._records[digest] = record
        return StoredBundle(
            digest,
            record.subject,
            record.run_id,
            record.model,
            record.experiment,
            record.body,
            tuple(row.envelope for row in rows),
            record.created_at,
        )

    def search(
        self,
        filters: Filters,
        experiments: Sequence[str],
        models: Sequence[str],
        before: int | None,
        limit: int,
    ) -> list[Any]:
        """The newest observations that match, newest first: rows of `observations`.

        `experiments` and `models` are the globs that the caller may see; `before` is the sequence
        number that the last page ended with.
        """
        found: list[Any] = []
        with self.database.reading() as connection:
            while len(found) < limit:
                page = connection.execute(_page(self.store, filters, before, limit)).all()
                globs = (experiments, models)
                found += [row for row in page if visible(row.model, row.experiment, *globs)]
                if len(page) < limit:
                    break
                before = page[-1].seq
        return found[:limit]

    def material(self, digest: str) -> bytes:
        """The bytes of a material; NotFound."""
        with self.database.reading() as connection:
            row = connection.execute(select(materials).where(materials.c.digest == digest)).first()
        if row is None:
            raise NotFound(f"there is no material with the digest {digest}")
        return zlib.decompress(row.deflated)


def matches(name: str | None, globs: Sequence[str]) -> bool:
    """Whether a name lies in one of the globs. Case counts."""
    return name is not None and any(fnmatch.fnmatchcase(name, glob) for glob in globs)


def visible(
    model: str | None, experiment: str | None, experiments: Sequence[str], models: Sequence[str]
) -> bool:
    """Whether the globs cover its model, and its run's experiment if it has one."""
    if model and experiment is None:
        return matches(model, models)
    return (not model or matches(model, models)) and matches(experiment, experiments)


def _page(store: str, filters: Filters, before: int | None, limit: int) -> Select[Any]:
    query = select(observations).where(observations.c.store == store)
    query = query.order_by(observations.c.seq.desc()).limit(limit)
    if before is not None:
        query = query.where(observations.c.seq < before)
    if filters.model and filters.version:
        query = query.where(observations.c.subject == f"models/{filters.model}/{filters.version}")
    elif filters.model:
        query = query.where(observations.c.model == filters.model)
    elif filters.version:
        query = query.where(observations.c.subject.endswith(f"/{filters.version}", autoescape=True))
    if filters.run_id:
        query = query.where(observations.c.run_id == filters.run_id)
    return query


_RECORD = select(
    records.c.subject,
    records.c.run_id,
    records.c.model,
    records.c.experiment,
    records.c.body,
    records.c.created_at,
).where(records.c.digest == bindparam("digest"))
_STATEMENTS = select(statements.c.record_digest, statements.c.envelope).order_by(
    statements.c.digest
)
_BY_DIGEST = _STATEMENTS.where(statements.c.record_digest == bindparam("digest"))
_LATEST = _STATEMENTS.where(
    statements.c.record_digest
    == select(observations.c.record_digest)
    .where(
        observations.c.store == bindparam("store"),
        observations.c.subject == bindparam("subject"),
    )
    .order_by(observations.c.seq.desc())
    .limit(1)
    .scalar_subquery()
)


def _row(record: Record, at: str) -> dict[str, Any]:
    return {
        "digest": record.digest,
        "subject": record.subject.name,
        "run_id": record.run_id,
        "model": record.subject.model,
        "version": record.subject.version,
        "experiment": record.experiment,
        "release_digest": record.release,
        "body": record.data,
        "created_at": at,
    }


def _statement(record: Record, envelope: tuple[str, bytes], at: str) -> dict[str, Any]:
    predicate_type, data = envelope
    return {
        "digest": digest_of(data),
        "record_digest": record.digest,
        "predicate_type": predicate_type,
        "envelope": data,
        "created_at": at,
    }


def _material(media_type: str, text: bytes) -> dict[str, Any]:
    return {
        "digest": digest_of(text),
        "media_type": media_type,
        "size": len(text),
        "deflated": zlib.compress(text, 1),
    }


__all__ = ["Bundles", "Filters", "StoredBundle", "matches", "visible"]
