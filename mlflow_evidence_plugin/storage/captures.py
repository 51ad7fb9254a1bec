"""What was asked to be captured, and how it went. The queue speeds the work; this is the truth."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, or_, select, update

from ..errors import Conflict, NotFound
from .database import Database
from .tables import captures

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

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in (DONE, FAILED)


class Captures:
    """The table of captures."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def accept(self, capture: Capture) -> None:
        """Keep a new order."""
        values = {**vars(capture), "experiments": json.dumps(capture.experiments)}
        with self.database.writing() as connection:
            connection.execute(captures.insert().values(values))

    def get(self, capture_id: str) -> Capture:
        """One order; NotFound."""
        with self.database.reading() as connection:
            row = connection.execute(select(captures).where(captures.c.id == capture_id)).first()
        if row is None:
            raise NotFound(f"there is no capture {capture_id}")
        return _capture(row)

    def claim(self, capture_id: str, now: str, lease_until: str) -> Capture | None:
        """Take an order to work on it; None when it has ended or another worker holds it."""
        free = or_(captures.c.state == ACCEPTED, _lapsed(now))
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

    def unfinished(self, now: str) -> list[str]:
        """Ids of orders that nobody works on, oldest first."""
        free = or_(captures.c.state == ACCEPTED, _lapsed(now))
        query = select(captures.c.id).where(free).order_by(captures.c.accepted_at)
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

    def release(self, order: Capture, error: tuple[str, str, str]) -> None:
        """Give an order back, to be tried again, with what went wrong this time."""
        code, detail, mend = error
        with self.database.writing() as connection:
            self._end(
                connection,
                order,
                state=ACCEPTED,
                error_code=code,
                error_detail=detail,
                error_mend=mend,
            )

    def _end(self, connection: Connection, order: Capture, **values: Any) -> int:
        query = update(captures).where(_held(order)).values(lease_until=None, **values)
        return connection.execute(query).rowcount


def _held(order: Capture) -> Any:
    # Each claim counts the attempts up: who holds an older count has lost the order.
    running = and_(captures.c.id == order.id, captures.c.state == RUNNING)
    return and_(running, captures.c.attempts == order.attempts)


def _lapsed(now: str) -> Any:
    return and_(captures.c.state == RUNNING, captures.c.lease_until < now)


def _capture(row: Any) -> Capture:
    known = {name: getattr(row, name) for name in Capture.__dataclass_fields__}
    return Capture(**{**known, "experiments": tuple(json.loads(row.experiments))})
