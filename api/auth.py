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


def requires(scope: str, verdicts: bool = False) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a view be called only with a token that has the scope (or `admin`).

    One that is bound to an environment opens views of `verdicts` alone, which ask `environment_of`.
    """

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
            if found.environment is not None and not verdicts:
                mend = f"ask the service's operator for a token without --environment: {scope}"
                raise Forbidden("the token may only ask for verdicts", mend)
            g.caller = found
            return view(*args, **kwargs)

        checked.__dict__.update(scope=scope, verdicts=verdicts)
        return checked

    return decorate


def environment_of(asked: str | None) -> str | None:
    """The environment that a question is about: for a token that is bound to one, that.

    Forbidden where it asks about another.
    """
    bound = caller().environment
    if bound is not None and asked not in (None, bound):
        mend = "ask with a token, or at an address, that was made for that environment"
        raise Forbidden("the token is bound to another environment", mend)
    return bound or asked


def by_capability(view: Callable[P, R]) -> Callable[P, R]:
    """Let a view be called by its address alone: `capability` in the path is a token.

    For systems that can send no header. It must be one that may ask for verdicts in one
    environment, and nothing else: an address is easily shown around.
    """

    @wraps(view)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        found = service().caller(str(kwargs.pop("capability")))
        if found.environment is None or found.scopes != ("evidence:read",):
            mend = "mlflow-evidence token create --scope evidence:read --environment … makes one"
            raise Forbidden("an address takes a token for verdicts in one environment", mend)
        g.caller = found
        return view(*args, **kwargs)

    return checked
