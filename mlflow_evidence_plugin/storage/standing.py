"""The verdict that stands for a subject and environment: one row, all that a gate reads."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from cachetools import TTLCache
from sqlalchemy import ColumnElement, Connection, Engine, bindparam, delete, select, update

from ..policy import Decision
from ..record import canonical
from .database import Database, batches
from .ledger import lock
from .tables import standing

REMEMBERED_SECONDS = 1.0
"""For which a gate may answer from memory, as tokens and bundles are read: others may write."""


@dataclass(frozen=True)
class Stands:
    """A verdict as it is kept, and whose it is.

    `checked_at` is when nothing that it was made from had changed; None since something has.
    """

    body: bytes = field(repr=False)
    policy_digest: str
    expires_at: str
    checked_at: str | None
    model: str | None
    experiment: str | None


class Standing:
    """The table of standing verdicts of one store."""

    def __init__(self, database: Database, store: str) -> None:
        self.database = database
        self.store = store
        self._memory = _memory(database.engine)

    def read(self, subject: str, environment: str, remembered: bool = False) -> Stands | None:
        """What stands, in one indexed read; None where nothing was judged.

        What was `remembered` may do: it is a second old at the most. What this process writes is
        forgotten at once, though a read beside its transaction may bring the old row back.
        """
        key = (self.store, subject, environment)
        with _LOCK:
            known = self._memory.get(key) if remembered else None
        if known is not None:
            return known
        asked = {"store": self.store, "subject": subject, "environment": environment}
        with self.database.reading() as connection:
            row = connection.execute(_READ, asked).first()
        if row is None:
            return None
        found = Stands(*row)
        with _LOCK:
            self._memory[key] = found
        return found

    def unsettle_model(self, model: str) -> None:
        """Something that verdicts on all versions of a model may rest on has changed."""
        here = (standing.c.store == self.store, standing.c.model == model)
        with self.database.writing() as connection:
            lock(connection)  # as `unsettle` has it
            connection.execute(update(standing).where(*here).values(checked_at=None))
        _forget(self.database.engine)

    def unsettled(self, environments: Iterable[str], limit: int) -> list[str]:
        """Subjects with a verdict for one of these of which something has changed.

        For an environment that the policy has no more nothing will ever be judged.
        """
        query = (
            select(standing.c.subject)
            .where(standing.c.checked_at.is_(None), standing.c.store == self.store)
            .where(standing.c.environment.in_(list(environments)))
            .distinct()
            .limit(limit)
        )
        with self.database.reading() as connection:
            return list(connection.execute(query).scalars())


def put(connection: Connection, store: str, decision: Decision, experiment: str | None) -> None:
    """Let a verdict stand, in the transaction that keeps it."""
    _forget(connection.engine)
    subject = decision.subject
    connection.execute(delete(standing).where(*_here(store, subject.name, decision.environment)))
    row = {
        "store": store,
        "subject": subject.name,
        "environment": decision.environment,
        "model": subject.model,
        "experiment": experiment,
        "policy_digest": decision.policy,
        "body": canonical(decision.document()),
        "expires_at": decision.expires_at,
        "checked_at": decision.evaluated_at,
    }
    connection.execute(standing.insert().values(row))


def checked(connection: Connection, store: str, made: Decision) -> None:
    """Say that when this was made, which says the same, nothing had changed."""
    _forget(connection.engine)
    here = _here(store, made.subject.name, made.environment)
    connection.execute(update(standing).where(*here).values(checked_at=made.evaluated_at))


def unsettle(connection: Connection, store: str, subjects: Iterable[str]) -> None:
    """Something that verdicts on these subjects were made from has changed.

    After the log's lock was taken, as where verdicts are kept: else each may wait for the other.
    """
    _forget(connection.engine)
    for some in batches(sorted(set(subjects))):
        here = (standing.c.store == store, standing.c.subject.in_(some))
        connection.execute(update(standing).where(*here).values(checked_at=None))


def _memory(engine: Engine) -> TTLCache[tuple[str, str, str], Stands]:
    with _LOCK:
        if engine not in _MEMORIES:
            _MEMORIES[engine] = TTLCache(4096, REMEMBERED_SECONDS)
        return _MEMORIES[engine]


def _forget(engine: Engine) -> None:
    memory = _memory(engine)
    with _LOCK:
        memory.clear()


_LOCK = threading.Lock()
_MEMORIES: WeakKeyDictionary[Engine, TTLCache[tuple[str, str, str], Stands]] = WeakKeyDictionary()

_READ = select(
    standing.c.body,
    standing.c.policy_digest,
    standing.c.expires_at,
    standing.c.checked_at,
    standing.c.model,
    standing.c.experiment,
).where(
    standing.c.store == bindparam("store"),
    standing.c.subject == bindparam("subject"),
    standing.c.environment == bindparam("environment"),
)


def _here(store: str, subject: str, environment: str) -> tuple[ColumnElement[bool], ...]:
    return (
        standing.c.store == store,
        standing.c.subject == subject,
        standing.c.environment == environment,
    )
