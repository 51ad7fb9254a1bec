"""Deliveries of other systems, and ours to them: each counts once, however often it is sent."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, Connection, delete, not_, select, text, update
from sqlalchemy.exc import IntegrityError

from .database import Database, insert_new
from .tables import deliveries

MOST = 10
"""How often something that another system does not take is tried."""

_TAKING = 0x6D6C65706F  # names our advisory lock on PostgreSQL


class Deliveries:
    """The table of deliveries, by consumer and the id that its sender gave."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def first(self, consumer: str, delivery: str, now: str) -> bool:
        """Whether nobody has brought this delivery before; from now on somebody has."""
        row = {"consumer": consumer, "id": delivery, "received_at": now}
        with self.database.writing() as connection:
            try:
                with connection.begin_nested():
                    connection.execute(deliveries.insert().values(row))
            except IntegrityError:
                return False
        return True

    def known(self, consumer: str, delivery: str) -> bool:
        """Whether somebody has brought this delivery before."""
        here = (deliveries.c.consumer == consumer, deliveries.c.id == delivery)
        with self.database.reading() as connection:
            return connection.execute(select(deliveries.c.id).where(*here)).first() is not None

    def again(self, consumer: str, delivery: str) -> None:
        """Let a delivery come again, since nothing became of it."""
        here = (deliveries.c.consumer == consumer, deliveries.c.id == delivery)
        with self.database.writing() as connection:
            connection.execute(delete(deliveries).where(*here))

    def forget(self, before: str) -> None:
        """Drop what came before a time."""
        with self.database.writing() as connection:
            connection.execute(delete(deliveries).where(deliveries.c.received_at < before))


@dataclass(frozen=True)
class Owed:
    """Something that is to be told to another system. `tries` were made before this one.

    The last word of its name is the ticket; `holder` is who has that to itself.
    """

    system: str
    name: str
    tries: int
    holder: str = field(default="", compare=False)

    @property
    def ticket(self) -> str:
        """On what it is told."""
        return self.name.rpartition(" ")[2]


class Pushes:
    """What is told to other systems: each thing once, however many workers see it.

    What is owed stands beside what was ever ordered, with the time before which it is left alone;
    and so does who tells a ticket something, with the time until which nobody else may: of two
    that tell one ticket at once, the one with the older word could be the last.
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    def order(self, system: str, name: str, now: str) -> bool:
        """Whether it is new; then it is owed from now on."""
        row = {"id": name, "received_at": now}
        with self.database.writing() as connection:
            try:
                with connection.begin_nested():
                    connection.execute(deliveries.insert().values(consumer=system, **row))
            except IntegrityError:
                return False
            connection.execute(deliveries.insert().values(consumer=_queue(system, 0), **row))
        return True

    def take(self, system: str, now: str, until: str) -> Owed | None:
        """What is due on a ticket that nobody tells anything; it is nobody else's before `until`.

        None where nothing is.
        """
        queues = {_queue(system, tries): tries for tries in range(MOST)}
        due = (deliveries.c.consumer.in_(queues), deliveries.c.received_at <= now)
        with self.database.writing() as connection:
            _one_after_the_other(connection)
            free = _free(connection, system, now)
            query = select(deliveries).where(*due, *free).order_by(deliveries.c.received_at)
            row = connection.execute(query.limit(1)).first()
            if row is None:
                return None
            owed = Owed(system, row.id, queues[row.consumer], uuid.uuid4().hex)
            held = {"consumer": _holding(system), "id": _holder(owed), "received_at": until}
            connection.execute(deliveries.insert().values(held))
        return owed

    def renew(self, owed: Owed, until: str) -> bool:
        """Have its ticket for longer. False where another worker has taken it over."""
        with self.database.writing() as connection:
            query = update(deliveries).where(*_held(owed)).values(received_at=until)
            return connection.execute(query).rowcount == 1

    def later(self, owed: Owed, at: str) -> bool:
        """Try it again, not before that time. False, and it is given up, after too many tries."""
        tries = owed.tries + 1
        if tries >= MOST:
            self.done(owed)
            return False
        changed = {"consumer": _queue(owed.system, tries), "received_at": at}
        with self.database.writing() as connection:
            if _released(connection, owed):
                connection.execute(update(deliveries).where(*_here(owed)).values(changed))
        return True

    def done(self, owed: Owed) -> None:
        """It is owed no longer; that it was is still known."""
        with self.database.writing() as connection:
            if _released(connection, owed):
                connection.execute(delete(deliveries).where(*_here(owed)))

    def has(self, owed: Owed, part: str) -> bool:
        """Whether a part of it was taken already, at an earlier try."""
        here = (
            deliveries.c.consumer == f"{owed.system} part",
            deliveries.c.id == _part(owed, part),
        )
        with self.database.reading() as connection:
            return connection.execute(select(deliveries.c.id).where(*here)).first() is not None

    def took(self, owed: Owed, part: str, now: str) -> None:
        """A part of it was taken: another try leaves it out."""
        row = {"consumer": f"{owed.system} part", "id": _part(owed, part), "received_at": now}
        with self.database.writing() as connection:
            insert_new(connection, deliveries, [row])


def _one_after_the_other(connection: Connection) -> None:
    """Whoever takes something sees what the one before has taken."""
    if connection.dialect.name == "postgresql":
        # SQLite has one writer anyway.
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _TAKING})


def _free(connection: Connection, system: str, now: str) -> list[ColumnElement[bool]]:
    """What holds of things on tickets that nobody tells anything now."""
    holding = deliveries.c.consumer == _holding(system)
    connection.execute(delete(deliveries).where(holding, deliveries.c.received_at <= now))
    held = connection.execute(select(deliveries.c.id).where(holding)).scalars()
    tickets = [one.rpartition(" ")[0] for one in held]
    return [not_(deliveries.c.id.endswith(f" {one}", autoescape=True)) for one in tickets]


def _released(connection: Connection, owed: Owed) -> bool:
    """Give its ticket back; False where another worker has it, and with it what is owed."""
    return connection.execute(delete(deliveries).where(*_held(owed))).rowcount == 1


def _holding(system: str) -> str:
    return f"{system} held"


def _holder(owed: Owed) -> str:
    return f"{owed.ticket} {owed.holder}"


def _held(owed: Owed) -> tuple[ColumnElement[bool], ...]:
    return deliveries.c.consumer == _holding(owed.system), deliveries.c.id == _holder(owed)


def _queue(system: str, tries: int) -> str:
    return f"{system} owed {tries}"


def _part(owed: Owed, part: str) -> str:
    return f"{owed.name} {part}"


def _here(owed: Owed) -> tuple[ColumnElement[bool], ...]:
    queue = deliveries.c.consumer == _queue(owed.system, owed.tries)
    return queue, deliveries.c.id == owed.name
