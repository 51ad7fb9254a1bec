"""What differs between candidates; and a metric over the runs of an experiment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Response, jsonify

from mlflow_evidence_plugin.record.regressions import Question
from mlflow_evidence_plugin.render.markdown import comparison_markdown, history_markdown
from mlflow_evidence_plugin.render.plots import PNG, SVG, plot
from mlflow_evidence_plugin.service.comparing import directions

from ..auth import SECURITY, caller, requires, service
from ..contract import Blueprint, problems
from ..negotiation import preferred
from ..schemas.comparison import (
    CompareArgs,
    ComparisonSchema,
    HistoryArgs,
    HistorySchema,
    question,
)

bp = Blueprint("comparison", __name__, description="Candidates side by side, and over time")

REPEATED = ("other",)
"""Parameters that may stand several times in a query; no other view takes one of these names."""

JSON, MARKDOWN = "application/json", "text/markdown"
_TEXT = {"schema": {"type": "string"}}
COMPARED = {
    "description": "Each fact that differs",
    "content": {JSON: {"schema": ComparisonSchema}, MARKDOWN: _TEXT},
}
FOLLOWED = {
    "description": "Each run, in the order of their starts; or the plot",
    "content": {
        JSON: {"schema": HistorySchema},
        MARKDOWN: _TEXT,
        SVG: _TEXT,
        PNG: {"schema": {"type": "string", "format": "binary"}},
    },
}


@bp.get("/compare")
@bp.arguments(CompareArgs, location="query")
@bp.doc(security=SECURITY, responses={"200": COMPARED})
@problems(bp, 400, 401, 403, 404, 406, 410, 422, 500, 502, 503)
@requires("evidence:read")
def compare(args: dict[str, Any]) -> Response:
    """A base against up to nine others: by digest, run, version or alias, as captured last."""
    chosen = preferred(list(COMPARED["content"]), "a comparison")
    which = directions(*(_listed(args.get(name)) for name in ("higher", "lower")))
    found = service().compare([args["base"], *args["other"]], caller(), which)
    return _answer(found, chosen, comparison_markdown)


@bp.get("/experiments/<name:name>/history")
@bp.arguments(HistoryArgs, location="query")
@bp.doc(security=SECURITY, responses={"200": FOLLOWED})
@problems(bp, 400, 401, 403, 404, 406, 422, 500, 503)
@requires("evidence:read")
def history(args: dict[str, Any], name: str) -> Response:
    """A metric over the captured runs of an experiment, by its name; regressions are marked."""
    chosen = preferred(list(FOLLOWED["content"]), "a history")
    asked = Question(**question(args))
    found = service().history(name, asked, caller(), args["limit"])
    if chosen in (SVG, PNG):
        return _private(Response(plot(found, chosen), content_type=chosen))
    return _answer(found, chosen, history_markdown)


def _answer(found: dict[str, Any], chosen: str, text: Callable[[Any], bytes]) -> Response:
    if chosen == MARKDOWN:
        return _private(Response(text(found), content_type=f"{MARKDOWN}; charset=utf-8"))
    return _private(jsonify(found))


def _private(response: Response) -> Response:
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Vary"] = "Accept"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _listed(text: str | None) -> list[str]:
    return [one.strip() for one in (text or "").split(",") if one.strip()]
