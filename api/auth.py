"""Who is calling, and may they."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar, cast

from flask import current_app, g, request

from mlflow_evidence_plugin.errors import Forbidden, Unauthorized
from mlflow_evidence_plugin.service import Evidence
from mlflow_evidence_plugin.storage import Principal

P = ParamSpec("P")
R = TypeVar("R")
SERVICE = "evidence"
SECURITY: list[dict[str, list[str]]] = [{"token": []}]


def service() -> Evidence:
    """The use cases, as the application was given them."""
    return cast(Evidence, current_app.extensions[SERVICE])


def caller() -> Principal:
    """Whose request this is; only within a view that `requires` a scope."""
    return cast(Principal, g.caller)


def requires(scope: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a view be called only with a token that has the scope (or `admin`)."""

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            kind, _, token = request.headers.get("Authorization", "").partition(" ")
            if kind.lower() != "bearer" or not token.strip():
                mend = "send the header Authorization: Bearer <token>"
                raise Unauthorized("this needs a token", mend)
            found = service().caller(token.strip())
            if scope not in found.scopes and "admin" not in found.scopes:
                mend = f"ask the service's operator for a token with the scope {scope}"
                raise Forbidden(f"the token has not the scope {scope}", mend)
            g.caller = found
            return view(*args, **kwargs)

        checked.__dict__["scope"] = scope
        return checked

    return decorate
