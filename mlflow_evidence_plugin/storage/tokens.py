"""Who may do what. Only a token's digest is kept; the token is shown once, when it is made."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, select, update

from ..errors import BadInput, NotFound, Unauthorized
from .bundles import matches
from .database import Database
from .tables import tokens

SCOPES = ("evidence:read", "capture", "approve", "ingest", "policy", "admin")
_MARK = "mle"
_BY_ID = select(tokens).where(tokens.c.id == bindparam("id"))


@dataclass(frozen=True)
class Principal:
    """A caller: its name, scopes, and the globs of experiments and models that it may see."""

    name: str
    scopes: tuple[str, ...]
    experiments: tuple[str, ...]
    models: tuple[str, ...]
    token_id: str

    def sees_experiment(self, name: str | None) -> bool:
        """Whether an experiment's name lies in the token's globs."""
        return matches(name, self.experiments)

    def sees_model(self, name: str | None) -> bool:
        """Whether a model's name lies in the token's globs."""
        return matches(name, self.models)


class Tokens:
    """The table of tokens."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def create(
        self,
        principal: str,
        scopes: Sequence[str],
        experiments: Sequence[str],
        models: Sequence[str],
        now: str,
        expires_at: str | None = None,
    ) -> str:
        """Make a token and return it, this once: `mle_<id>_<secret>`."""
        unknown = [scope for scope in scopes if scope not in SCOPES]
        if unknown or not scopes:
            said = f"unknown scope: {', '.join(unknown)}" if unknown else "a token needs a scope"
            raise BadInput(said, f"scopes are {', '.join(SCOPES)}")
        token_id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
        values = {
            "id": token_id,
            "secret_sha256": _sha256(secret),
            "principal": principal,
            "scopes": json.dumps(list(scopes)),
            "experiments": json.dumps(list(experiments)),
            "models": json.dumps(list(models)),
            "created_at": now,
            "expires_at": expires_at,
        }
        with self.database.writing() as connection:
            connection.execute(tokens.insert().values(values))
        return f"{_MARK}_{token_id}_{secret}"

    def authenticate(self, token: str, now: str) -> Principal:
        """Whose token it is. Unauthorized, in the same words whatever is wrong with it."""
        mark, _, rest = token.partition("_")
        token_id, _, secret = rest.partition("_")
        row: Any = None
        if mark == _MARK and len(token_id) <= 16 and token_id.isascii() and "\0" not in token_id:
            with self.database.reading() as connection:
                row = connection.execute(_BY_ID, {"id": token_id}).first()
        known = row.secret_sha256 if row else "0" * 64
        valid = hmac.compare_digest(known, _sha256(secret)) and row is not None
        if not valid or row.revoked_at or (row.expires_at and row.expires_at <= now):
            raise Unauthorized(
                "the token is unknown, expired or revoked",
                "ask the service's operator for a token: mlflow-evidence token create",
            )
        return Principal(
            row.principal,
            tuple(json.loads(row.scopes)),
            tuple(json.loads(row.experiments)),
            tuple(json.loads(row.models)),
            row.id,
        )

    def revoke(self, token_id: str, now: str) -> None:
        """End a token at once; NotFound."""
        with self.database.writing() as connection:
            query = update(tokens).where(tokens.c.id == token_id, tokens.c.revoked_at.is_(None))
            if connection.execute(query.values(revoked_at=now)).rowcount != 1:
                raise NotFound(f"there is no valid token with the id {token_id}")

    def list(self) -> list[dict[str, Any]]:
        """Every token without its secret, newest first."""
        with self.database.reading() as connection:
            rows = connection.execute(select(tokens).order_by(tokens.c.created_at.desc())).all()
        shown = ("id", "principal", "scopes", "experiments", "models")
        times = ("created_at", "expires_at", "revoked_at")
        return [
            {
                k: getattr(row, k) if k in ("id", "principal") else json.loads(getattr(row, k))
                for k in shown
            }
            | {k: getattr(row, k) for k in times}
            for row in rows
        ]


def _sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
