"""The application, put together from the use cases it is given."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from flask import Flask, Request, request
from flask_smorest import Api
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge

from mlflow_evidence_plugin.service import Evidence

from . import consumers, errors, pages, tracing
from .auth import SERVICE
from .contract import SETTINGS, Name
from .resources import (
    approvals,
    attestations,
    bundles,
    captures,
    comparison,
    docs,
    drift,
    health,
    inventory,
    ledger,
    models,
    policies,
    runs,
    tickets,
    verification,
)

Enqueue = Callable[[str], None]
_CONTROL = re.compile(r"[\x00-\x1f]")
_ENCODED = re.compile(rb"[\x00-\x1f]|%[01][0-9A-Fa-f]")


def create_app(
    evidence: Evidence | None,
    enqueue: Enqueue = lambda _: None,
    asking: consumers.Consumers | None = None,
) -> Flask:
    """The Flask application. `enqueue` hands a capture's id to a worker.

    `asking` are the systems that ask in their own words. Without `evidence` only the contract can
    be asked for.
    """
    app = _Flask(__name__, static_folder=None)
    app.config.update(SETTINGS)
    app.url_map.converters["name"] = Name
    app.url_map.merge_slashes = False  # it redirects, and so repeats an address that holds a token
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.extensions[SERVICE] = evidence
    app.extensions["enqueue"] = enqueue
    tracing.install(app)
    app.before_request(_unambiguous)
    api = Api(app)
    api.register_converter(Name, Name.schema)
    api.DEFAULT_ERROR_RESPONSE_NAME = None  # each status is documented where it is answered
    errors.install(app)
    told = (captures, bundles, approvals, runs, models, attestations, ledger, verification)
    for module in (*told, comparison, policies, inventory, drift, tickets):
        api.register_blueprint(module.bp, url_prefix="/v1")
    consumers.install(app, api, asking or consumers.Consumers())
    api.register_blueprint(health.bp)
    app.register_blueprint(docs.bp)
    app.register_blueprint(docs.ui)
    pages.install(app, errors.http_problem)
    return app


class _Flask(Flask):
    """Flask, which would ask of each of a request's eight functions whether it is a coroutine."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """As it is: none is."""
        return func


def _unambiguous() -> None:
    asked: Request = request._get_current_object()  # type: ignore[attr-defined] # the proxy costs
    # No name in MLflow has them, and databases differ in what they make of a NUL.
    if _CONTROL.search(asked.path) or _ENCODED.search(asked.query_string):
        raise BadRequest("control characters are not allowed in a path or query")
    chunked = "HTTP_TRANSFER_ENCODING" in asked.environ
    if chunked and len(asked.get_data()) >= SETTINGS["MAX_CONTENT_LENGTH"]:
        raise RequestEntityTooLarge  # without a length a body is cut at the limit, and not refused
    if b"&" in asked.query_string and any(
        len(values) > 1 and name not in comparison.REPEATED for name, values in asked.args.lists()
    ):
        # Which of the two counts would be a guess: `enforce=false&enforce=true`.
        raise BadRequest("a parameter stands twice in the query")
