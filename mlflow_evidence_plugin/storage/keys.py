"""The public keys that a service has signed with: what its trust document is made of."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select, update

from ..errors import NotFound
from .database import Database, insert_new
from .tables import signing_keys, statements

_FIRST_STATEMENT = select(func.min(statements.c.created_at))


@dataclass(frozen=True)
class KnownKey:
    """A key's id, its PEM, and when it was in use; `not_after` is None for as long as it is."""

    id: str
    pem: str
    not_before: str
    not_after: str | None


class Keys:
    """The table of keys. A key is retired, and never forgotten."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def known(self, key_id: str, pem: str, now: str) -> KnownKey:
        """The key with this id, in use from `now` on if nobody has seen it before.

        The first key of all made what was signed before keys were written down.
        """
        query = select(signing_keys).where(signing_keys.c.id == key_id)
        with self.database.reading() as connection:
            found = connection.execute(query).first()
        if found is None:
            with self.database.writing() as connection:
                first = connection.execute(select(signing_keys.c.id).limit(1)).first() is None
                began = connection.execute(_FIRST_STATEMENT).scalar() if first else None
                row = {"id": key_id, "pem": pem, "not_before": min(began or now, now)}
                insert_new(connection, signing_keys, [row])
                found = connection.execute(query).one()
        return KnownKey(**found._mapping)

    def all(self) -> list[KnownKey]:
        """Every key, the oldest first."""
        query = select(signing_keys).order_by(signing_keys.c.not_before, signing_keys.c.id)
        with self.database.reading() as connection:
            return [KnownKey(**row._mapping) for row in connection.execute(query)]

    def retire(self, key_id: str, at: str) -> KnownKey:
        """Let nothing be signed with a key after a time; an earlier end stands. NotFound."""
        here = signing_keys.c.id == key_id
        later = signing_keys.c.not_after.is_(None) | (signing_keys.c.not_after > at)
        with self.database.writing() as connection:
            connection.execute(update(signing_keys).where(here, later).values(not_after=at))
            found = connection.execute(select(signing_keys).where(here)).first()
        if found is None:
            raise NotFound(f"there is no key {key_id}", "see: mlflow-evidence key list")
        return KnownKey(**found._mapping)
