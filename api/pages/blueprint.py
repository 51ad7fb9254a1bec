"""The pages' blueprint: how a page is made, which headers it has, and how its errors look."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

from flask import Blueprint, Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from mlflow_evidence_plugin.errors import EvidenceError
from mlflow_evidence_plugin.render.html import environment, style

from ..errors import status_of
from ..tracing import request_id

log = logging.getLogger(__name__)
bp = Blueprint("pages", __name__)
TEMPLATES = Path(__file__).parent / "templates"

POLICY = (
    "default-src 'none'; img-src 'self' data:; style-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "private, no-store",
}
"""No script from anywhere, no frame around us, and no copy in a cache."""


def page(template: str, http: int = 200, **values: Any) -> Response:
    """A page from a template."""
    who = g.get("caller")
    text = (
        environment(TEMPLATES)
        .get_template(template)
        .render(principal=who.name if who else None, style_url=_style_url(), **values)
    )
    return Response(text, http, mimetype="text/html")


def error_page(status: int, detail: str, mend: str = "") -> Response:
    """An error in words, with its status."""
    title = HTTPStatus(status).phrase
    return page("error.html", status, title=title, status=status, detail=detail, mend=mend)


def install(app: Flask, otherwise: Callable[[HTTPException], Response]) -> None:
    """Serve the pages. An address that is not there gets a page where a browser asks for one.

    `otherwise` answers everybody else.
    """
    app.register_blueprint(bp)

    def not_there(error: HTTPException) -> Response:
        ours = f"{request.path}/".startswith(("/v1/", "/docs", "/openapi"))
        if ours or request.accept_mimetypes.best_match(_KINDS) != _KINDS[1]:
            return otherwise(error)
        response = error_page(error.code or 404, "There is no such page.", "Search for evidence.")
        response.headers.update(HEADERS)
        return response

    app.register_error_handler(404, not_there)


_KINDS = ["application/problem+json", "text/html"]


@bp.get("/style.css")
def style_sheet() -> Response:
    """The one style sheet; its address changes with it."""
    response = Response(style(), mimetype="text/css")
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return response


@bp.after_request
def guard(response: Response) -> Response:
    """Every page's headers; one that a view has set itself stays."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


@bp.errorhandler(EvidenceError)
def refused(error: EvidenceError) -> Response:
    """One of our errors."""
    return error_page(status_of(error), sentence(error.detail), sentence(error.mend))


@bp.errorhandler(HTTPException)
def malformed(error: HTTPException) -> Response:
    """What the framework refuses."""
    status = error.code or 500
    return error_page(status, sentence(error.description or HTTPStatus(status).phrase))


@bp.errorhandler(Exception)
def unexpected(error: Exception) -> Response:
    """What nobody foresaw: its cause is for the log alone."""
    log.error("unexpected %s", type(error).__name__, exc_info=error)
    told = f"The service’s log has its cause, under the request {request_id()}."
    return error_page(500, "An unexpected error.", told)


def sentence(text: str) -> str:
    """The words of an error as a sentence."""
    text = text[:1].upper() + text[1:]
    return text if not text or text[-1] in ".?!" else text + "."


@cache
def _style_url() -> str:
    return "/style.css?v=" + hashlib.sha256(style().encode()).hexdigest()[:12]
