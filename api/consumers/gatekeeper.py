"""OPA Gatekeeper: a provider of external data. A key is a model version, its value the verdict.

https://open-policy-agent.github.io/gatekeeper/website/docs/externaldata

Gatekeeper reads the body whatever the status says. One without `systemError`, like that of a plain
problem, would look to a careless rule as if nothing were wrong; so problems have it too.
"""

from __future__ import annotations

import logging
import queue
import re
import time
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ParamSpec

from flask import Response, jsonify, request
from werkzeug.exceptions import RequestEntityTooLarge

from mlflow_evidence_plugin.errors import BadInput, EvidenceError
from mlflow_evidence_plugin.storage import Principal

from ..address import own_address
from ..auth import by_capability, caller, environment_of, service
from ..contract import Blueprint, problems
from ..errors import problem, status_of
from ..schemas import ProviderProblemSchema, ProviderRequestSchema, ProviderResponseSchema
from .asking import Question, Verdict, ask
from .capabilities import PATH, document
from .inflight import InFlight
from .runtime import consumers
from .webhooks import body

P = ParamSpec("P")
log = logging.getLogger(__name__)
bp = Blueprint("gatekeeper", __name__, description="External data for OPA Gatekeeper")

NAME = "gatekeeper"
OPTIONS = None
SCHEMES: dict[str, Any] = {}
API_VERSION = "externaldata.gatekeeper.sh/v1beta1"
ANSWER_SECONDS = 1.5
"""Gatekeeper asks for an answer within one or two; a key that takes longer is an error."""

AT_ONCE = 4
"""Keys of one request that are judged side by side."""

REASONS_SHOWN = 5
_KEY = re.compile(
    r"models/(?P<model>[^/@#\x00-\x1f\ud800-\udfff]{1,256})"
    r"(?:/(?P<version>[0-9]{1,18})|@(?P<alias>[^/@#\x00-\x1f\ud800-\udfff]{1,256}))"
    r"(?:#(?P<environment>[^#\x00-\x1f\ud800-\udfff]{1,64}))?",
    re.ASCII,
)

Answer = dict[str, Any]


def _systemic(view: Callable[P, Response]) -> Callable[P, Response]:
    """Answer a problem so that Gatekeeper sees it: as `systemError` too."""

    @wraps(view)
    def told(*args: P.args, **kwargs: P.kwargs) -> Response:
        try:
            return view(*args, **kwargs)
        except EvidenceError as error:
            known = (status_of(error), error.code, error.detail, error.mend)
        except RequestEntityTooLarge as error:
            known = (413, "request-entity-too-large", str(error.description), "ask for fewer keys")
        except Exception as error:
            log.error("unexpected %s", type(error).__name__, exc_info=error)
            known = (500, "error", "an unexpected error; the service's log has its cause", "")
        return problem(*known, **_provided([], f"{known[1]}: {known[2]}"))

    return told


@bp.post(f"/checks/gatekeeper/{PATH}")
@bp.doc(security=[], requestBody=body(ProviderRequestSchema))
@bp.response(200, ProviderResponseSchema)
@problems(bp, 400, 401, 403, 404, 413, 422, 500, 503, schema=ProviderProblemSchema)
@_systemic
@by_capability
def provide() -> Response:
    """Say of each key whether it may be deployed. What is not known is an error, never a value."""
    keys = document(ProviderRequestSchema(), request.get_data())["request"]["keys"]
    evidence, host_url, who = service(), own_address(), caller()

    asked: dict[str, Question] = {}
    items: dict[str, Answer] = {}
    for key in keys:
        try:
            asked[key] = _question(key, who)
        except EvidenceError as error:
            items[key] = {"key": key, "error": f"{error.code}: {error.detail}"}
    found = within(
        ANSWER_SECONDS,
        consumers().at_once,
        list(asked),
        lambda key: ask(evidence, asked[key], host_url),
    )
    for key in asked:
        items[key] = _item(key, found.get(key))
    response = jsonify(_provided([items[key] for key in dict.fromkeys(keys)], ""))
    response.headers["Cache-Control"] = "no-store"
    return response


def within(
    seconds: float, pool: InFlight, keys: Sequence[str], answer: Callable[[str], Verdict]
) -> dict[str, Verdict]:
    """Those of the keys that are answered in time; the others end beside the request. Busy."""
    until = time.monotonic() + seconds
    todo: queue.SimpleQueue[str] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[str, Verdict]] = queue.SimpleQueue()
    for key in keys:
        todo.put(key)

    def work() -> None:
        while time.monotonic() < until:
            try:
                key = todo.get_nowait()
            except queue.Empty:
                return
            done.put((key, answer(key)))

    for _ in range(min(AT_ONCE, len(keys))):
        pool.begin(object(), work, NAME)
    found: dict[str, Verdict] = {}
    while len(found) < len(keys):
        try:
            key, verdict = done.get(timeout=max(until - time.monotonic(), 0))
        except queue.Empty:
            break
        found[key] = verdict
    return found


def _question(key: str, who: Principal) -> Question:
    """What a key asks; BadInput, or Forbidden for another environment."""
    parts = _KEY.fullmatch(key)
    if parts is None:
        mend = "ask for models/NAME/VERSION or models/NAME@ALIAS"
        raise BadInput("the key names no model version", mend)
    environment = environment_of(parts["environment"])
    return Question(parts["model"], parts["version"], parts["alias"], environment, who)


def _item(key: str, verdict: Verdict | None) -> Answer:
    if verdict is None:
        return {"key": key, "error": f"still-deciding: no verdict within {ANSWER_SECONDS} s"}
    if not verdict.judged:
        return {"key": key, "error": "; ".join(verdict.lines()) or "error: no verdict"}
    value = {
        "allowed": verdict.passed,
        "status": verdict.status,
        "subject": verdict.subject,
        "environment": verdict.environment,
        "reasons": verdict.lines()[:REASONS_SHOWN],
        "details_url": verdict.details_url,
    }
    return {"key": key, "value": value}


def _provided(items: list[Answer], wrong: str) -> Answer:
    # `idempotent` counts for mutation alone, which takes no such value; asking changes nothing.
    response = {"idempotent": True, "items": items, "systemError": wrong}
    return {"apiVersion": API_VERSION, "kind": "ProviderResponse", "response": response}
