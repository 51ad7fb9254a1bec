"""What a bundle can be found by. All of it is made from what is kept, and can be made anew."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, delete, func, select

from ..errors import NotFound
from ..record import Record, read, read_kept
from ..record.canonical import loads
from .database import insert_new
from .tables import decisions, labels, listings, observations, records, verdicts

RUN, MODEL, SUBJECT, VERDICT, ROOT = "run", "model", "subject", "verdict", "root"
TAG = "tag:"
PASSED, EXPIRED = "passed", "expired"

_MLFLOW = "mlflow."
_BATCH = 500


def position(at: str, digest: str = "sha256:" + "0" * 64) -> UUID:
    """Where a record captured at a time stands among all: ids sort as times do, from 1970 on."""
    instant = datetime.fromisoformat(at.replace("Z", "+00:00"))
    milliseconds = max(round(instant.timestamp() * 1000), 0)  # an offset may lead before 1970
    return UUID(int=milliseconds << 80 | int(digest[7:27], 16))


def label(store: str, name: str, value: str) -> UUID:
    """The label of one thing: the first half of its SHA-256."""
    text = "\0".join((store, name, value)).encode("utf-8", "replace")
    return UUID(bytes=hashlib.sha256(text).digest()[:16])


def tags_of(record: Record) -> set[tuple[str, str]]:
    """The tags that a record can be found by: ours and the user's, not MLflow's own.

    Run and version may each have one of a name: then it is found by both.
    """
    ours = {(f"evidence.{name}", value) for name, value in record.values("governance").items()}
    versions: dict[str, str] = record.value("version", "tags") or {}
    others = {*record.values("tags").items(), *versions.items()}
    return ours | {(name, value) for name, value in others if not name.startswith(_MLFLOW)}


def keep(connection: Connection, found: Sequence[tuple[Record, str]]) -> None:
    """List records, each with the time of its first capture."""
    rows = [_row(record, at) for record, at in found]
    named = [
        {"label": label(row["store"], *one), "id": row["id"]}
        for row, (record, _) in zip(rows, found, strict=True)
        for one in _names(record)
    ]
    insert_new(connection, listings, rows)
    insert_new(connection, labels, named)


def judge(connection: Connection, digest: str, verdict: Mapping[str, str]) -> None:
    """List a record's newest verdict: `environment, status, evaluated_at, expires_at`."""
    query = select(listings).where(listings.c.record_digest == digest).with_for_update()
    listing = connection.execute(query).first()
    if listing is None:
        raise NotFound(f"there is no evidence with the digest {digest} any more")
    known = _verdicts(connection, listing)
    environment = verdict["environment"]
    if environment in known and known[environment].evaluated_at > verdict["evaluated_at"]:
        return
    before = {environment: row.status for environment, row in known.items()}
    after = {**before, environment: verdict["status"]}
    here = (verdicts.c.id == listing.id, verdicts.c.environment == environment)
    connection.execute(delete(verdicts).where(*here))
    connection.execute(verdicts.insert().values(id=listing.id, **verdict))
    old, new = _verdict_labels(listing.store, before), _verdict_labels(listing.store, after)
    gone = delete(labels).where(labels.c.id == listing.id, labels.c.label.in_(old - new))
    connection.execute(gone)
    insert_new(connection, labels, [{"label": one, "id": listing.id} for one in new - old])


def statuses(
    connection: Connection, ids: Sequence[UUID], now: str | None
) -> dict[UUID, dict[str, str]]:
    """Of each listing, the newest verdict's status by environment.

    A pass that has run out by `now`, where that is given, is `expired`.
    """
    found: dict[UUID, dict[str, str]] = {one: {} for one in ids}
    for row in connection.execute(select(verdicts).where(verdicts.c.id.in_(ids))):
        over = row.status == PASSED and now is not None and row.expires_at <= now
        found[row.id][row.environment] = EXPIRED if over else row.status
    return found


def restore(connection: Connection) -> None:
    """Make the listings anew where there are none but should be: after an upgrade."""
    if connection.execute(select(listings.c.id).limit(1)).first():
        return
    first = select(observations.c.record_digest, func.min(observations.c.captured_at).label("at"))
    first_seen = first.group_by(observations.c.record_digest).subquery()
    at = func.coalesce(first_seen.c.at, records.c.created_at).label("at")
    query = select(records.c.body, at).outerjoin(
        first_seen, first_seen.c.record_digest == records.c.digest
    )
    for rows in _batches(connection, query):
        keep(connection, [(read(row.body), row.at) for row in rows if row.body])
    for rows in _batches(connection, select(decisions).order_by(decisions.c.seq)):
        for row in rows:
            judge(connection, row.record_digest, _verdict(row))


def add_roots(connection: Connection) -> None:
    """Let records be found by the root over their files that were listed before that was so."""
    query = select(listings.c.id, listings.c.store, records.c.body).join(
        records, records.c.digest == listings.c.record_digest
    )
    for rows in _batches(connection, query):
        roots = [(row, read_kept(row.body).root) for row in rows]
        found = [{"label": label(row.store, ROOT, root), "id": row.id} for row, root in roots]
        insert_new(connection, labels, found)


def with_root(connection: Connection, store: str, root: str) -> list[Row[Any]]:
    """Listings of records whose files have a root, the newest first."""
    query = (
        select(listings)
        .join(labels, labels.c.id == listings.c.id)
        .where(labels.c.label == label(store, ROOT, root), listings.c.store == store)
        .order_by(listings.c.id.desc())
    )
    return list(connection.execute(query))


def _batches(connection: Connection, query: Any) -> Iterator[Sequence[Row[Any]]]:
    yield from connection.execute(query.execution_options(yield_per=_BATCH)).partitions()


def _verdict(row: Any) -> dict[str, str]:
    told = loads(row.body)
    return {
        "environment": row.environment,
        "status": told["status"],
        "evaluated_at": row.evaluated_at,
        "expires_at": told.get("expires_at", row.evaluated_at),
    }


def _verdicts(connection: Connection, listing: Any) -> dict[str, Any]:
    rows = connection.execute(select(verdicts).where(verdicts.c.id == listing.id))
    return {row.environment: row for row in rows}


def _verdict_labels(store: str, known: Mapping[str, str]) -> set[UUID]:
    found = {label(store, VERDICT, status) for status in known.values()}
    return found | {label(store, f"{VERDICT}:{where}", is_) for where, is_ in known.items()}


def _row(record: Record, at: str) -> dict[str, Any]:
    governance = record.values("governance")
    return {
        "id": position(at, record.digest),
        "store": record.subject.store,
        "record_digest": record.digest,
        "subject": record.subject.name,
        "run_id": record.run_id,
        "model": record.subject.model,
        "version": record.subject.version,
        "experiment": record.experiment,
        "owner": governance.get("owner"),
        "ticket": governance.get("ticket"),
        "captured_at": at,
    }


def _names(record: Record) -> Iterator[tuple[str, str]]:
    yield SUBJECT, record.subject.name
    yield ROOT, record.root
    if record.run_id:
        yield RUN, record.run_id
    if record.subject.model:
        yield MODEL, record.subject.model
    for name, value in tags_of(record):
        yield TAG + name, value
