"""Verdicts, each kept with the policy it was made by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select, update

from ..errors import NotFound
from ..ledger import subject_digest
from ..policy import Decision, Policy
from ..record import canonical, digest_of
from ..record.canonical import loads
from . import ledger, listings, standing
from .approvals import leaves_about
from .database import Database, insert_new
from .tables import decisions, policies, statements


class Decisions:
    """The decisions of one store: a history for each subject and environment."""

    def __init__(self, database: Database, store: str) -> None:
        self.database = database
        self.store = store

    def add(
        self,
        decision: Decision,
        policy: Policy,
        envelopes: Mapping[str, bytes],
        experiment: str | None = None,
        seen: int | None = None,
    ) -> bool:
        """Keep a verdict on a record, with its signed statements by predicate type; it then stands.

        The same verdict twice is kept once. Earlier ones of the record and environment are
        superseded: they stay in the log, and are no longer shown. False, and nothing is kept, if
        the log no longer has the number of leaves about the subject that were `seen`: somebody
        has said something that the verdict does not know.
        """
        subject = subject_digest(decision.subject)
        row = {
            "digest": decision.digest,
            "store": self.store,
            "subject": decision.subject.name,
            "environment": decision.environment,
            "record_digest": decision.record,
            "policy_digest": policy.digest,
            "body": canonical(decision.document()),
            "evaluated_at": decision.evaluated_at,
        }
        verdict = {
            "environment": decision.environment,
            "status": decision.status,
            "evaluated_at": decision.evaluated_at,
            "expires_at": decision.expires_at,
        }
        with self.database.writing() as connection:
            ledger.lock(connection)
            if seen is not None and leaves_about(connection, subject) != seen:
                return False
            insert_new(connection, policies, [{"digest": policy.digest, "body": policy.canonical}])
            insert_new(connection, decisions, [row])
            if decision.record:
                listings.judge(connection, decision.record, verdict)
                _state(connection, decision, envelopes)
                standing.put(connection, self.store, decision, experiment)
        return True

    def checked(self, made: Decision, seen: int) -> bool:
        """Say that the verdict that stands would be made again. False as for `add`."""
        subject = subject_digest(made.subject)
        with self.database.writing() as connection:
            ledger.lock(connection)
            if leaves_about(connection, subject) != seen:
                return False
            standing.checked(connection, self.store, made)
        return True

    def policy(self, digest: str) -> bytes:
        """A policy that verdicts were made by, as canonical JSON; NotFound."""
        query = select(policies.c.body).where(policies.c.digest == digest)
        with self.database.reading() as connection:
            body: bytes | None = connection.execute(query).scalar()
        if body is None:
            raise NotFound(f"there is no policy {digest}")
        return body

    def latest(self, subject: str, environment: str) -> dict[str, Any] | None:
        """The newest verdict's document, or None."""
        query = (
            select(decisions.c.body)
            .where(
                decisions.c.store == self.store,
                decisions.c.subject == subject,
                decisions.c.environment == environment,
            )
            .order_by(decisions.c.evaluated_at.desc(), decisions.c.seq.desc())
            .limit(1)
        )
        with self.database.reading() as connection:
            body = connection.execute(query).scalar()
        document: dict[str, Any] | None = loads(body) if body is not None else None
        return document

    def history(
        self, subject: str, environment: str | None, before: int | None, limit: int
    ) -> list[tuple[int, dict[str, Any]]]:
        """The verdicts on a subject, the newest first: each with its place, for the next page."""
        query = select(decisions.c.seq, decisions.c.body).where(
            decisions.c.store == self.store, decisions.c.subject == subject
        )
        if environment is not None:
            query = query.where(decisions.c.environment == environment)
        if before is not None:
            query = query.where(decisions.c.seq < before)
        with self.database.reading() as connection:
            rows = connection.execute(query.order_by(decisions.c.seq.desc()).limit(limit))
            return [(row.seq, loads(row.body)) for row in rows]

    def after(self, seq: int, since: str, limit: int) -> list[tuple[int, dict[str, Any]]]:
        """The verdicts that were kept after a place, and made since a time, in that order.

        Whoever keeps one holds the log's lock: none comes later at an earlier place.
        """
        query = (
            select(decisions.c.seq, decisions.c.body)
            .where(
                decisions.c.store == self.store,
                decisions.c.seq > seq,
                decisions.c.evaluated_at >= since,
            )
            .order_by(decisions.c.seq)
            .limit(limit)
        )
        with self.database.reading() as connection:
            return [(row.seq, loads(row.body)) for row in connection.execute(query)]

    def get(self, digest: str) -> dict[str, Any] | None:
        """The document of a verdict; None where there is none, or it was erased."""
        query = select(decisions.c.body).where(
            decisions.c.store == self.store, decisions.c.digest == digest
        )
        with self.database.reading() as connection:
            body = connection.execute(query).scalar()
        document: dict[str, Any] | None = loads(body) if body is not None else None
        return document

    def of_record(self, digest: str) -> list[dict[str, Any]]:
        """The newest verdict's document in each environment, by the environment's name."""
        query = select(decisions.c.body).where(decisions.c.record_digest == digest)
        newest: dict[str, dict[str, Any]] = {}
        with self.database.reading() as connection:
            in_order = query.order_by(decisions.c.evaluated_at, decisions.c.seq)
            for body in connection.execute(in_order).scalars():
                document = loads(body)
                newest[document["environment"]] = document
        return [newest[environment] for environment in sorted(newest)]


def _state(connection: Connection, decision: Decision, envelopes: Mapping[str, bytes]) -> None:
    known: dict[str, Any] = {
        "record_digest": decision.record,
        "environment": decision.environment,
    }
    here = [statements.c[name] == value for name, value in known.items()]
    connection.execute(update(statements).where(*here).values(superseded=True))
    rows = [
        known
        | {"digest": digest_of(one), "predicate_type": kind, "envelope": one, "superseded": False}
        | {"created_at": decision.evaluated_at}
        for kind, one in envelopes.items()
    ]
    insert_new(connection, statements, rows)
    subject = subject_digest(decision.subject)
    ledger.append(connection, [(subject, row["digest"]) for row in rows])
