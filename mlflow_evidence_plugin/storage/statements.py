"""Signed statements by their digests, ours and those of others: what an archive is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import func, select

from ..errors import BadRecord
from ..record import digest_of
from .database import Database, batches
from .tables import attestations, observations, records, statements


@dataclass(frozen=True)
class Kept:
    """A statement as it is kept: of which record, of what kind, and for which environment."""

    digest: str
    record: str
    kind: str
    envelope: bytes = field(repr=False)
    environment: str | None = None
    superseded: bool = False
    key_id: str | None = None
    """Of the key of somebody else, who signed it."""


class Statements:
    """The tables of statements and attestations."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def by_digest(self, digests: Sequence[str]) -> list[Kept]:
        """Statements by their digests, in that order; BadRecord where one is gone."""
        found: dict[str, Kept] = {}
        with self.database.reading() as connection:
            for some in batches(digests):
                for row in connection.execute(_KEPT.where(statements.c.digest.in_(some))):
                    found[row.digest] = Kept(*row)
                for one in connection.execute(_TAKEN.where(attestations.c.digest.in_(some))):
                    found[one.digest] = Kept(*one[:4], key_id=one.key_id)
        if missing := set(digests) - set(found):
            raise BadRecord(
                f"{len(missing)} statements that the log names are not in the database",
                "restore it from a backup, and find out who removed them",
            )
        return [found[digest] for digest in digests]

    def bodies(self, digests: Sequence[str]) -> dict[str, bytes]:
        """The bytes of records, by digest; those that there are, and were not erased."""
        found: dict[str, bytes] = {}
        with self.database.reading() as connection:
            for some in batches(digests):
                query = select(records.c.digest, records.c.body).where(records.c.digest.in_(some))
                rows = connection.execute(query)
                found.update((row.digest, row.body) for row in rows if row.body)
        return found

    def seen_at(self, store: str, subject: str) -> str | None:
        """When a subject was looked at last."""
        query = select(func.max(observations.c.captured_at)).where(
            observations.c.store == store, observations.c.subject == subject
        )
        with self.database.reading() as connection:
            return connection.execute(query).scalar()

    def inputs(self, digest: str, more: Mapping[str, bytes]) -> list[tuple[str, str]]:
        """What a verdict on a record is made from: (predicate type, digest of the envelope).

        That is all that a capture stated, and `more` envelopes by predicate type.
        """
        query = select(statements.c.predicate_type, statements.c.digest).where(
            statements.c.record_digest == digest, statements.c.environment.is_(None)
        )
        with self.database.reading() as connection:
            found = [(row.predicate_type, row.digest) for row in connection.execute(query)]
        return sorted(found + [(kind, digest_of(one)) for kind, one in more.items()])


_KEPT = select(
    statements.c.digest,
    statements.c.record_digest,
    statements.c.predicate_type,
    statements.c.envelope,
    statements.c.environment,
    statements.c.superseded,
)
_TAKEN = select(
    attestations.c.digest,
    attestations.c.record_digest,
    attestations.c.predicate_type,
    attestations.c.envelope,
    attestations.c.key_id,
)
