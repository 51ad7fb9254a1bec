"""Flagger: a hook of a canary. 200 advances it; with anything else it halts, and shows the body.

https://docs.flagger.app/usage/webhooks
"""

from __future__ import annotations

import logging
from typing import Any

from flask import Response, request

from mlflow_evidence_plugin.errors import BadInput

from ..address import own_address
from ..auth import by_capability, caller, environment_of, service
from ..contract import Blueprint, problems
from ..schemas import FlaggerSchema
from .asking import Question, ask
from .capabilities import PATH, bounded, document
from .webhooks import body

log = logging.getLogger(__name__)
bp = Blueprint("flagger", __name__, description="Hooks of Flagger's canaries")

NAME = "flagger"
OPTIONS = None
SCHEMES: dict[str, Any] = {}
TEXT_LIMIT = 1000
"""Characters of an answer: it goes into an event of Kubernetes, which holds 1,024."""

_TEXT = {"content": {"text/plain": {"schema": {"type": "string"}}}}


@bp.post(f"/checks/flagger/{PATH}")
@bp.doc(
    security=[],
    requestBody=body(FlaggerSchema),
    responses={
        "200": {"description": "Allowed: the canary advances", **_TEXT},
        "409": {"description": "Denied, or not known yet: the canary halts; why", **_TEXT},
    },
)
@problems(bp, 400, 401, 403, 404, 413, 422, 500, 503)
@by_capability
def check() -> Response:
    """Let a canary advance, or halt it, by the verdict on the model version in `metadata`.

    The answer is the same in every phase: Flagger does not say which of its hooks calls. So never
    use it as a `rollback` hook: that one rolls back when the answer is 200.
    """
    found = document(FlaggerSchema(), request.get_data())
    said = found["metadata"]
    if ("version" in said) == ("alias" in said):
        raise BadInput("metadata names neither a version nor an alias, or both", "name one of them")
    environment = environment_of(said.get("environment"))
    named = (said["model"], said.get("version"), said.get("alias"))
    verdict = ask(service(), Question(*named, environment, caller()), own_address())
    where = f"{bounded(found['namespace'])}/{bounded(found['name'])}"
    log.info("flagger %s: %s: %s", where, verdict.subject, verdict.status)
    response = Response(verdict.text(TEXT_LIMIT) + "\n", 200 if verdict.passed else 409)
    response.content_type = "text/plain; charset=utf-8"
    response.headers["Cache-Control"] = "no-store"
    return response
