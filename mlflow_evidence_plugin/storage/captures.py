"""What was asked to be captured, and how it went. The queue speeds the work; this is the truth."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, or_, select, text, update

from ..errors import Conflict, KeyReused, NotFound
from .database import Database, insert_new
from .tables import captures, requests

ACCEPTED, RUNNING, DONE, FAILED = "accepted", "running", "done", "failed"


@dataclass(frozen=True)
class Capture:
    """One order: a run, or a model's version or alias, and what became of it."""

    id: str
    run_id: str | None
    model: str | None
    version: str | None
    alias: str | None
    experiments: tuple[str, ...]
    principal: str
    state: str
    attempts: int
    accepted_at: str
    finished_at: str | None = None
    record_digest: str | None = None
    error_code: str | None = None
    error_detail: str | None = None
    error_mend: str | None = None
    lease_until: str | None = None
    """Until then its worker holds it; or, when it is to be tried again, the pause lasts."""

    @property
    def fingerprint(self) -> str:
        """What was ordered, by whom: equal for equal orders."""
        subject = (self.run_id, self.model, self.version, self.alias)
        ordered = json.dumps([*subject, sorted(self.experiments), self.principal])
        return hashlib.sha256(ordered.encode()).hexdigest()

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in (DONE, FAILED)


class Captures:
    """The table of captures."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def accept(self, capture: Capture, key: str | None = None) -> Capture:
        """Keep a new order; or the one that stands for it already.

        That is the one that came with the same idempotency key (KeyReused if it was another
        order's), or an equal one of the same principal that nobody has begun.
        """
        with self.database.writing() as connection:
            if connection.dialect.name == "postgresql":
                # Equal orders one after the other, as on SQLite all are.
                lock = {"lock": int(capture.fingerprint[:15], 16)}
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), lock)
            known = connection.execute(_WAITING, {"fingerprint": capture.fingerprint}).first()
            order = _capture(known) if known else capture
            if key:
                order = _by_key(connection, order, key) or order
            if order is capture:
                values = {**vars(capture), "experiments": json.dumps(capture.experiments)}
                values["fingerprint"] = capture.fingerprint
                connection.execute(captures.insert().values(values))
        return order

    def forget_keys(self, before: str) -> None:
        """Drop idempotency keys that were first used before a time."""
        with self.database.writing() as connection:
            connection.execute(delete(requests).where(requests.c.created_at < before))

    def get(self, capture_id: str) -> Capture:
        """One order; NotFound."""
        with self.database.reading() as connection:
            row = connection.execute(select(captures).where(captures.c.id == capture_id)).first()
        if row is None:
            raise NotFound(f"there is no capture {capture_id}")
        return _capture(row)

    def claim(
        self, capture_id: str, now: str, lease_until: str, patient: bool = False
    ) -> Capture | None:
        """Take an order to work on it; None when it has ended or another worker holds it.

        None also, for the patient, while it pauses before it is tried again.
        """
        free = _free(now) if patient else or_(captures.c.state == ACCEPTED, _lapsed(now))
        with self.database.writing() as connection:
            taken = connection.execute(
                update(captures)
                .where(captures.c.id == capture_id, free)
                .values(state=RUNNING, lease_until=lease_until, attempts=captures.c.attempts + 1)
            )
            if taken.rowcount != 1:
                return None
            row = connection.execute(select(captures).where(captures.c.id == capture_id)).one()
        return _capture(row)

    def renew(self, order: Capture, lease_until: str) -> None:
        """Hold an order for longer."""
        with self.database.writing() as connection:
            query = update(captures).where(_held(order)).values(lease_until=lease_until)
            connection.execute(query)

    def unfinished(self, now: str, before: str | None = None) -> list[str]:
        """Ids of orders that nobody works on and that do not pause, oldest first.

        With `before`, of those that nobody has begun only what was accepted before that time.
        """
        which = _free(now)
        if before:
            which = or_(_lapsed(now), and_(which, captures.c.accepted_at < before))
        query = select(captures.c.id).where(which).order_by(captures.c.accepted_at)
        with self.database.reading() as connection:
            return list(connection.execute(query).scalars())

    def done(self, connection: Connection, order: Capture, digest: str, now: str) -> None:
        """The order ended in this record: said in the transaction that keeps the record.

        Conflict, so that nothing is kept, when the lease lapsed and another worker took over.
        """
        values = {"state": DONE, "record_digest": digest, "finished_at": now}
        if self._end(connection, order, **values) != 1:
            raise Conflict("another worker has taken this capture over")

    def failed(self, order: Capture, error: tuple[str, str, str], now: str) -> None:
        """The order ended in an error: its code, detail and mend."""
        code, detail, mend = error
        with self.database.writing() as connection:
            self._end(
                connection,
                order,
                state=FAILED,
                finished_at=now,
                error_code=code,
                error_detail=detail,
                error_mend=mend,
            )

    def release(self, order: Capture, error: tuple[str, str, str], again_at: str) -> None:
        """Give an order back, to be tried again after a pause, with what went wrong this time."""
        code, detail, mend = error
        with self.database.writing() as connection:
            self._end(
                connection,
                order,
                state=ACCEPTED,
                lease_until=again_at,
                error_code=code,
                error_detail=detail,
                error_mend=mend,
            )

    def _end(self, connection: Connection, order: Capture, **values: Any) -> int:
        query = update(captures).where(_held(order)).values({"lease_until": None, **values})
        return connection.execute(query).rowcount


_WAITING = (
    select(captures)
    .where(captures.c.fingerprint == bindparam("fingerprint"), captures.c.state == ACCEPTED)
    .limit(1)
)


def _by_key(connection: Connection, order: Capture, key: str) -> Capture | None:
    mine = (requests.c.principal == order.principal, requests.c.key == key)
    row = {
        "principal": order.principal,
        "key": key,
        "fingerprint": order.fingerprint,
        "capture_id": order.id,
        "created_at": order.accepted_at,
    }
    insert_new(connection, requests, [row])
    first = connection.execute(select(requests).where(*mine)).one()
    if first.fingerprint != order.fingerprint:
        raise KeyReused("the idempotency key was used for another order", "give each its own")
    if first.capture_id == order.id:
        return None
    query = select(captures).where(captures.c.id == first.capture_id)
    return _capture(connection.execute(query).one())


def _held(order: Capture) -> Any:
    # Each claim counts the attempts up: who holds an older count has lost the order.
    running = and_(captures.c.id == order.id, captures.c.state == RUNNING)
    return and_(running, captures.c.attempts == order.attempts)


def _free(now: str) -> Any:
    waiting = and_(captures.c.state == ACCEPTED, or_(captures.c.lease_until.is_(None), _past(now)))
    return or_(waiting, _lapsed(now))


def _lapsed(now: str) -> Any:
    return and_(captures.c.state == RUNNING, _past(now))


def _past(now: str) -> Any:
    return captures.c.lease_until < now


def _capture(row: Any) -> Capture:
    known = {name: getattr(row, name) for name in Capture.__dataclass_fields__}
    return Capture(**{**known, "experiments": tuple(json.loads(row.experiments))})
