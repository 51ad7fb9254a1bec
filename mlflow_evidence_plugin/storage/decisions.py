"""Verdicts, each kept with the policy it was made by."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from ..policy import Decision, Policy
from ..record import canonical
from ..record.canonical import loads
from .database import Database, insert_new
from .tables import decisions, policies


class Decisions:
    """The table of decisions: a history for each subject and environment."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def add(self, decision: Decision, policy: Policy) -> None:
        """Keep a verdict. The same verdict twice is kept once."""
        row = {
            "digest": decision.digest,
            "subject": decision.subject.name,
            "environment": decision.environment,
            "record_digest": decision.record,
            "policy_digest": policy.digest,
            "body": canonical(decision.document()),
            "evaluated_at": decision.evaluated_at,
        }
        with self.database.writing() as connection:
            insert_new(connection, policies, [{"digest": policy.digest, "body": policy.canonical}])
            insert_new(connection, decisions, [row])

    def latest(self, subject: str, environment: str) -> dict[str, Any] | None:
        """The newest verdict's document, or None."""
        query = (
            select(decisions.c.body)
            .where(decisions.c.subject == subject, decisions.c.environment == environment)
            .order_by(decisions.c.seq.desc())
            .limit(1)
        )
        with self.database.reading() as connection:
            body = connection.execute(query).scalar()
        document: dict[str, Any] | None = loads(body) if body is not None else None
        return document
