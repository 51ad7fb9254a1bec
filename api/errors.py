"""Every error leaves as RFC 9457 problem details, with a stable code and never an internal."""

from __future__ import annotations

import json
import logging
from http import HTTPStatus
from typing import Any

from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from mlflow_evidence_plugin import errors
from mlflow_evidence_plugin.errors import EvidenceError

from .tracing import request_id

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
TYPE = "https://mlflow-evidence.dev/problems/"

STATUS: dict[type[EvidenceError], int] = {
    errors.Erased: 410,
    errors.NotFound: 404,
    errors.NoPolicy: 404,
    errors.BadInput: 422,
    errors.BadEnvelope: 422,
    errors.Unauthorized: 401,
    errors.Forbidden: 403,
    errors.Conflict: 409,
    errors.KeyReused: 422,
    errors.StillChanging: 503,
    errors.SigningFailed: 503,
    errors.KeyExpired: 503,
    errors.StoreUnavailable: 503,
    errors.StoreRefused: 502,
    errors.StorageUnavailable: 503,
    errors.Busy: 503,
}
RETRY_AFTER = {"Retry-After": "5"}


def problem(status: int, code: str, detail: str, mend: str = "", **more: Any) -> Response:
    """A problem document. `mend` says what the caller can do about it."""
    document = {
        "type": TYPE + code,
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
    }
    if mend:
        document["mend"] = mend
    if known := request_id():
        document["request_id"] = known
    response = Response(json.dumps(document | more), status, mimetype=MEDIA_TYPE)
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="mlflow-evidence"'
    if status == 503:
        response.headers.update(RETRY_AFTER)
    return response


def status_of(error: EvidenceError) -> int:
    """The HTTP status of one of our errors; 500 for one that no caller can help."""
    return next((s for kind, s in STATUS.items() if isinstance(error, kind)), 500)


def status_of_code(code: str | None) -> int:
    """The same for an error of which only the code was kept."""
    return status_of(errors.by_code(code or "")(""))


def install(app: Flask) -> None:
    """Answer every error of the application as a problem."""
    app.register_error_handler(EvidenceError, _ours)
    app.register_error_handler(HTTPException, http_problem)
    app.register_error_handler(Exception, _unexpected)


def _ours(error: EvidenceError) -> Response:
    facts = {"tombstone": error.facts} if isinstance(error, errors.Erased) and error.facts else {}
    return problem(status_of(error), error.code, error.detail, error.mend, **facts)


def http_problem(error: HTTPException) -> Response:
    """What the framework refuses, as a problem."""
    status = error.code or 500
    code = HTTPStatus(status).phrase.lower().replace(" ", "-")
    wrong = getattr(error, "data", {}).get("messages")
    if wrong:
        return problem(status, "bad-input", _said(wrong), "see /docs for what is expected")
    response = problem(status, code, error.description or HTTPStatus(status).phrase)
    if "Allow" in (known := dict(error.get_headers())):
        response.headers["Allow"] = known["Allow"]
    return response


def _said(wrong: Any) -> str:
    """marshmallow's messages, as one line: `json: run_id: Not a valid string.`"""
    if isinstance(wrong, dict):
        return "; ".join(f"{key}: {_said(value)}" for key, value in wrong.items())
    if isinstance(wrong, list):
        return " ".join(_said(one) for one in wrong)
    return str(wrong)


def _unexpected(error: Exception) -> Response:
    log.error("unexpected %s", type(error).__name__, exc_info=error)
    return problem(500, "error", "an unexpected error; the service's log has its cause")
