"""Records with their statements and materials: written together, never changed."""

from __future__ import annotations

import json
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cachetools import LRUCache, TTLCache
from sqlalchemy import Connection, bindparam, select

from ..errors import BadRecord, NotFound
from ..ledger import subject_digest
from ..record import Record, digest_of, read_kept
from . import ledger, listings, tables
from .database import Database, insert_digests, insert_new
from .erasures import absence, refuse_erased
from .experiments import newest_of_runs
from .search import Filters, Page, View, search
from .standing import unsettle
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

    def record(self) -> Record:
        """The record, read back; BadRecord if the bytes are no longer those that were kept."""
        return _read(self.digest, self.body)

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
class Captured:
    """A record to keep: its envelopes by predicate type, its texts by media type, when, by whom."""

    record: Record
    envelopes: Mapping[str, bytes] = field(repr=False)
    texts: Sequence[tuple[str, bytes]] = field(repr=False)
    at: str
    by: str


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

    def add(self, connection: Connection, captured: Sequence[Captured]) -> None:
        """Keep what was captured; of a record that is there already, that it was seen again.

        Nothing of it is kept if the transaction of `connection` fails. Erased for a record that
        was: to keep it again would bring it back.
        """
        for one in captured:
            refuse_erased(connection, one.record.digest)
        new = insert_digests(connection, records, [_row(one) for one in captured])
        first = list(
            {one.record.digest: one for one in captured if one.record.digest in new}.values()
        )
        made = [(one, row) for one in first for row in _statements(one)]
        insert_new(connection, statements, [row for _, row in made])
        texts = [row for one in first for row in _materials(one)]
        # In one order: two captures that share some would each wait for what the other has begun.
        insert_new(connection, materials, sorted(texts, key=lambda row: str(row["digest"])))
        listings.keep(connection, [(one.record, one.at) for one in first])
        connection.execute(observations.insert(), [_observation(one) for one in captured])
        entries = [(subject_digest(one.record.subject), row["digest"]) for one, row in made]
        ledger.append(connection, entries)
        unsettle(connection, self.store, [one.record.subject.name for one in captured])

    def get(self, digest: str) -> StoredBundle:
        """The bundle of a record; NotFound, or Erased. A new statement shows within a second."""
        with self._lock:
            found = self._bundles.get(digest)
        if found is None:
            with self.database.reading() as connection:
                asked = {"store": self.store, "digest": digest}
                rows = connection.execute(_BY_DIGEST, asked).all()
                if not rows:
                    self.forget(digest)
                    missing = NotFound(f"there is no evidence with the digest {digest}")
                    raise absence(connection, digest, self.store) or missing
                found = self._bundle(connection, rows)
            with self._lock:
                if len(found.body) <= KEPT_BYTES:
                    self._bundles[digest] = found
        return found

    def latest(self, subject: str) -> StoredBundle:
        """The newest bundle of a subject, `runs/<id>` or `models/<name>/<version>`; NotFound.

        Erased where the newest is: an older one must not take its place.
        """
        with self.database.reading() as connection:
            rows = connection.execute(_LATEST, {"store": self.store, "subject": subject}).all()
            if not rows:
                asked = {"store": self.store, "subject": subject}
                seen = connection.execute(select(_SEEN_LAST), asked).scalar()
                mend = "capture it: POST /v1/captures, or mlflow-evidence capture"
                missing = NotFound(f"there is no evidence of {subject}", mend)
                raise absence(connection, seen or "") or missing
            return self._bundle(connection, rows)

    def forget(self, digest: str) -> None:
        """Drop what is remembered of a record that is no more."""
        with self._lock:
            self._bundles.pop(digest, None)
            self._records.pop(digest, None)

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
        view: View,
        cursor: str | None,
        limit: int,
        now: str | None = None,
    ) -> Page:
        """The newest bundles that match, each once. BadInput for a cursor of another search.

        With `now`, a pass that has run out is told as `expired`.
        """
        with self.database.reading() as connection:
            return search(connection, (self.store, view), filters, cursor, limit, now)

    def of_experiment(self, name: str, view: View, limit: int) -> tuple[list[str], bool]:
        """The newest record of each run of an experiment, of those captured last; whether more."""
        with self.database.reading() as connection:
            return newest_of_runs(connection, self.store, view, name, limit)

    def records(self, digests: Sequence[str]) -> Iterator[Record]:
        """Records by their digests, one after the other, so that none has to wait for all."""
        with self.database.reading() as connection:
            for digest in digests:
                row = connection.execute(_RECORD, {"digest": digest}).one()
                if row.body:  # not of one that was erased
                    yield _read(digest, row.body)

    def material(self, digest: str) -> tuple[str, bytes]:
        """The media type and the bytes of a material; NotFound."""
        with self.database.reading() as connection:
            row = connection.execute(select(materials).where(materials.c.digest == digest)).first()
        if row is None:
            raise NotFound(f"there is no material with the digest {digest}")
        return row.media_type, zlib.decompress(row.deflated)


_RECORD = select(
    records.c.subject,
    records.c.run_id,
    records.c.model,
    records.c.experiment,
    records.c.body,
    records.c.created_at,
).where(records.c.digest == bindparam("digest"))
_STATEMENTS = (
    select(statements.c.record_digest, statements.c.envelope)
    .where(statements.c.superseded.is_(False))
    .order_by(statements.c.digest)
)
_BY_DIGEST = _STATEMENTS.join(
    tables.listings, tables.listings.c.record_digest == statements.c.record_digest
).where(
    statements.c.record_digest == bindparam("digest"),
    tables.listings.c.store == bindparam("store"),
)
_SEEN_LAST = (
    select(observations.c.record_digest)
    .where(
        observations.c.store == bindparam("store"),
        observations.c.subject == bindparam("subject"),
    )
    .order_by(observations.c.seq.desc())
    .limit(1)
    .scalar_subquery()
)
_LATEST = _STATEMENTS.where(statements.c.record_digest == _SEEN_LAST)


def _read(digest: str, body: bytes) -> Record:
    found = read_kept(body)
    if found.digest != digest:
        raise BadRecord(
            f"what is kept as {digest} is not what was captured: its bytes were changed",
            "restore the database from a backup, and find out who changed it",
        )
    return found


def _row(of: Captured) -> dict[str, Any]:
    return {
        "digest": of.record.digest,
        "subject": of.record.subject.name,
        "run_id": of.record.run_id,
        "model": of.record.subject.model,
        "version": of.record.subject.version,
        "experiment": of.record.experiment,
        "release_digest": of.record.release,
        "body": of.record.data,
        "created_at": of.at,
    }


def _statements(of: Captured) -> Iterator[dict[str, Any]]:
    for predicate_type, data in of.envelopes.items():
        yield {
            "digest": digest_of(data),
            "record_digest": of.record.digest,
            "predicate_type": predicate_type,
            "envelope": data,
            "created_at": of.at,
        }


def _materials(of: Captured) -> Iterator[dict[str, Any]]:
    for media_type, text in of.texts:
        yield {
            "digest": digest_of(text),
            "media_type": media_type,
            "size": len(text),
            "deflated": zlib.compress(text, 1),
        }


def _observation(of: Captured) -> dict[str, Any]:
    return {
        "store": of.record.subject.store,
        "subject": of.record.subject.name,
        "record_digest": of.record.digest,
        "run_id": of.record.run_id,
        "model": of.record.subject.model,
        "experiment": of.record.experiment,
        "captured_at": of.at,
        "captured_by": of.by,
    }
