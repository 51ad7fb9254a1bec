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
from . import ledger, listings
from .database import Database, insert_new
from .tables import decisions, policies, statements


class Decisions:
    """The decisions of one store: a history for each subject and environment."""

    def __init__(self, database: Database, store: str) -> None:
        self.database = database
        self.store = store

    def add(self, decision: Decision, policy: Policy, envelopes: Mapping[str, bytes]) -> None:
        """Keep a verdict on a record, with its signed statements by predicate type.

        The same verdict twice is kept once. Earlier ones of the record and environment are
        superseded: they stay in the log, and are no longer shown.
        """
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
            insert_new(connection, policies, [{"digest": policy.digest, "body": policy.canonical}])
            insert_new(connection, decisions, [row])
            if decision.record:
                listings.judge(connection, decision.record, verdict)
                _state(connection, decision, envelopes)

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
