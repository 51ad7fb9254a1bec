"""Statements that others made and sent in: kept as they came, each once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from . import ledger, listings
from .database import Database, insert_new
from .erasures import refuse_erased
from .standing import unsettle
from .tables import attestations, records

TRUSTED, QUARANTINED = "trusted", "quarantined"


@dataclass(frozen=True)
class Attestation:
    """One statement: about which record, by whom, and whether it counts.

    `signer` is the name of a trusted signer; None in quarantine.
    """

    digest: str
    record_digest: str
    predicate_type: str
    envelope: bytes = field(repr=False)
    state: str
    signer: str | None
    key_id: str | None
    received_at: str
    received_by: str


class Attestations:
    """The table of attestations of one store's evidence."""

    def __init__(self, database: Database, store: str) -> None:
        self.database = database
        self.store = store

    def add(self, made: Attestation, subject: str) -> tuple[Attestation, bool]:
        """Keep one, and enter it into the log if it counts; or the one with its digest.

        `subject` is the digest of its subject in the log. The second is whether it is new. One in
        quarantine counts from when it comes again and its signer has become trusted.
        """
        with self.database.writing() as connection:
            here = attestations.c.digest == made.digest
            known = connection.execute(select(attestations).where(here).with_for_update()).first()
            if known is not None and (known.state == TRUSTED or made.state == QUARANTINED):
                return _attestation(known), False
            if known is None:
                insert_new(connection, attestations, [vars(made)])
            else:
                connection.execute(attestations.update().where(here).values(vars(made)))
            refuse_erased(connection, made.record_digest)  # it may have been while this was read
            if made.state == TRUSTED:
                ledger.append(connection, [(subject, made.digest)])
                query = select(records.c.subject).where(records.c.digest == made.record_digest)
                unsettle(connection, self.store, connection.execute(query).scalars())
        return made, known is None

    def of_record(self, digest: str) -> list[Attestation]:
        """Those about a record, in the order in which they came."""
        query = select(attestations).where(attestations.c.record_digest == digest)
        in_order = query.order_by(attestations.c.received_at, attestations.c.digest)
        with self.database.reading() as connection:
            return [_attestation(row) for row in connection.execute(in_order)]

    def subjects_with(self, root: str) -> list[Any]:
        """What evidence there is of files with this root, in hex: listings, the newest first."""
        with self.database.reading() as connection:
            return listings.with_root(connection, self.store, root)


def _attestation(row: Any) -> Attestation:
    return Attestation(**row._mapping)
