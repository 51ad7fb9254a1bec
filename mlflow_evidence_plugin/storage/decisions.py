"""Verdicts, each kept with the policy it was made by."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from ..policy import Decision, Policy
from ..record import canonical
from ..record.canonical import loads
from . import listings
from .database import Database, insert_new
from .tables import decisions, policies


class Decisions:
    """The decisions of one store: a history for each subject and environment."""

    def __init__(self, database: Database, store: str) -> None:
        self.database = database
        self.store = store

    def add(self, decision: Decision, policy: Policy) -> None:
        """Keep a verdict on a record. The same verdict twice is kept once."""
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
