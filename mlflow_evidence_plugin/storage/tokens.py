"""Who may do what. Only a token's digest is kept; the token is shown once, when it is made."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cachetools import TTLCache
from sqlalchemy import Connection, bindparam, or_, select, update

from ..errors import BadInput, NotFound, Unauthorized
from .database import Database
from .search import View, matches
from .tables import tokens

SCOPES = (
    *("evidence:read", "capture", "stamp", "approve", "act-for-others", "ingest", "policy"),
    "admin",
)
TRUSTED_SECONDS = 1.0
_MARK = "mle"
_BY_ID = select(tokens).where(tokens.c.id == bindparam("id"))


@dataclass(frozen=True)
class Principal:
    """A caller: its name, scopes, and the globs of experiments and models that it may see.

    `roles` are those in which it may approve. One with an `environment` may only ask for verdicts
    in that.
    """

    name: str
    scopes: tuple[str, ...]
    experiments: tuple[str, ...]
    models: tuple[str, ...]
    token_id: str
    roles: tuple[str, ...] = ()
    environment: str | None = None

    def sees_experiment(self, name: str | None) -> bool:
        """Whether an experiment's name lies in the token's globs."""
        return matches(name, self.experiments)

    def sees(self, model: str | None, experiment: str | None) -> bool:
        """Whether evidence is the caller's: its model, and its run's experiment if it has one."""
        return self.view.shows(model, experiment)

    @property
    def view(self) -> View:
        """What a search shows to it."""
        return View(self.experiments, self.models)

    def sees_model(self, name: str | None) -> bool:
        """Whether a model's name lies in the token's globs."""
        return matches(name, self.models)


class Tokens:
    """The table of tokens."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._good: TTLCache[str, tuple[Principal, str | None]] = TTLCache(1024, TRUSTED_SECONDS)
        self._lock = threading.Lock()

    def create(
        self,
        principal: str,
        scopes: Sequence[str],
        experiments: Sequence[str],
        models: Sequence[str],
        now: str,
        expires_at: str | None = None,
        roles: Sequence[str] = (),
        environment: str | None = None,
    ) -> str:
        """Make a token and return it, this once: `mle_<id>_<secret>`."""
        unknown = [scope for scope in scopes if scope not in SCOPES]
        if unknown or not scopes:
            said = f"unknown scope: {', '.join(unknown)}" if unknown else "a token needs a scope"
            raise BadInput(said, f"scopes are {', '.join(SCOPES)}")
        with self.database.writing() as connection:
            globs = (experiments, models)
            limits = {"roles": json.dumps(list(roles)), "environment": environment}
            return _made(connection, principal, scopes, globs, (now, expires_at), limits)

    def create_first(self, principal: str, scopes: Sequence[str], now: str) -> str | None:
        """A token that sees everything; None where there is a valid one for `admin` already."""
        with self.database.writing() as connection:
            if connection.dialect.name == "postgresql":
                # Of several that start at once, one makes it.
                connection.exec_driver_sql("LOCK TABLE tokens IN EXCLUSIVE MODE")
            lasting = or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > now)
            valid = select(tokens.c.scopes).where(tokens.c.revoked_at.is_(None), lasting)
            if any("admin" in json.loads(one) for one in connection.execute(valid).scalars()):
                return None
            return _made(connection, principal, scopes, (("*",), ("*",)), (now, None), {})

    def authenticate(self, token: str, now: str) -> Principal:
        """Whose token it is. Unauthorized, in the same words whatever is wrong with it.

        A token that was good is taken for good for one more second, so that a revocation counts
        within a second.
        """
        with self._lock:
            principal, expires_at = self._good.get(token, (None, None))
        if principal is None:
            principal, expires_at = self._look_up(token)
            with self._lock:
                if principal is not None:
                    self._good[token] = (principal, expires_at)
        if principal is None or (expires_at and expires_at <= now):
            raise Unauthorized(
                "the token is unknown, expired or revoked",
                "ask the service's operator for a token: mlflow-evidence token create",
            )
        return principal

    def _look_up(self, token: str) -> tuple[Principal | None, str | None]:
        mark, _, rest = token.partition("_")
        token_id, _, secret = rest.partition("_")
        row: Any = None
        if mark == _MARK and len(token_id) <= 16 and token_id.isalnum() and token_id.isascii():
            with self.database.reading() as connection:
                row = connection.execute(_BY_ID, {"id": token_id}).first()
        known = row.secret_sha256 if row else "0" * 64
        if not hmac.compare_digest(known, _sha256(secret)) or row is None or row.revoked_at:
            return None, None
        globs = tuple(json.loads(row.experiments)), tuple(json.loads(row.models))
        scopes = tuple(json.loads(row.scopes))
        limits = (tuple(json.loads(row.roles)), row.environment)
        return Principal(row.principal, scopes, *globs, row.id, *limits), row.expires_at

    def revoke(self, token_id: str, now: str) -> None:
        """End a token, within a second everywhere; NotFound."""
        with self.database.writing() as connection:
            query = update(tokens).where(tokens.c.id == token_id, tokens.c.revoked_at.is_(None))
            if connection.execute(query.values(revoked_at=now)).rowcount != 1:
                raise NotFound(f"there is no valid token with the id {token_id}")
        with self._lock:
            self._good.clear()

    def list(self) -> list[dict[str, Any]]:
        """Every token without its secret, newest first."""
        with self.database.reading() as connection:
            rows = connection.execute(select(tokens).order_by(tokens.c.created_at.desc())).all()
        lists = ("scopes", "experiments", "models", "roles")
        plain = ("environment", "created_at", "expires_at", "revoked_at")
        return [
            {k: getattr(row, k) for k in ("id", "principal")}
            | {k: json.loads(getattr(row, k)) for k in lists}
            | {k: getattr(row, k) for k in plain}
            for row in rows
        ]


def _sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _made(
    connection: Connection,
    principal: str,
    scopes: Sequence[str],
    globs: tuple[Sequence[str], Sequence[str]],
    times: tuple[str, str | None],
    limits: Mapping[str, str | None],
) -> str:
    token_id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    values = {
        "id": token_id,
        "secret_sha256": _sha256(secret),
        "principal": principal,
        "scopes": json.dumps(list(scopes)),
        "experiments": json.dumps(list(globs[0])),
        "models": json.dumps(list(globs[1])),
        "created_at": times[0],
        "expires_at": times[1],
        **limits,
    }
    connection.execute(tokens.insert().values(values))
    return f"{_MARK}_{token_id}_{secret}"
