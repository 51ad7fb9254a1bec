"""Candidates side by side, and a metric over the runs of an experiment."""

from __future__ import annotations

from itertools import groupby
from typing import Any
from urllib.parse import quote, urlencode

from flask import Response, request
from marshmallow import ValidationError

from mlflow_evidence_plugin.errors import BadInput
from mlflow_evidence_plugin.record.regressions import Question
from mlflow_evidence_plugin.render.differences import (
    WORDS,
    change,
    gaps,
    matrix,
    off,
    seldom,
    title,
)
from mlflow_evidence_plugin.render.plots import SVG, alt, plot
from mlflow_evidence_plugin.service.comparing import directions

from ..auth import caller, service
from ..schemas.comparison import CompareArgs, HistoryArgs, question
from .blueprint import bp, page, sentence
from .sessions import signed_in

HISTORY = "/experiments/<name:name>/history"
FIELDS = 3
"""Of candidates, for who writes them by hand; more come by links."""


@bp.get("/compare")
@signed_in
def compare() -> Response:
    """A base and its candidates; each fact that differs."""
    asked = {key: text.strip() for key, text in request.args.items() if text.strip()}
    others = [one.strip() for one in request.args.getlist("other") if one.strip()]
    asked.pop("other", None)
    found, wrong = None, ""
    if asked or others:
        try:
            found = _compared(asked, others)
        except (ValidationError, BadInput) as error:
            wrong = _said(error)
    shown: dict[str, Any] = {"asked": asked, "wrong": wrong, "found": found}
    shown["others"] = others + [""] * (FIELDS - len(others))
    if found:
        lines = groupby(matrix(found), key=lambda line: line.section)
        shown |= {"sections": [(name, list(some)) for name, some in lines], "gaps": gaps(found)}
    return page("compare_page.html", 422 if wrong else 200, **shown)


@bp.get(HISTORY)
@signed_in
def history(name: str) -> Response:
    """The plot, what regressed and what had changed then, and each run."""
    asked = {key: text.strip() for key, text in request.args.items() if text.strip()}
    found, wrong = None, ""
    if asked:
        try:
            found = _history(name, asked)
        except (ValidationError, BadInput) as error:
            wrong = _said(error)
    shown: dict[str, Any] = {"experiment": name, "asked": asked, "wrong": wrong, "found": found}
    shown |= {"words": WORDS, "change": change, "seldom": seldom, "off": off, "title": title}
    if found:
        here = f"/experiments/{quote(name, safe='')}/history.svg?{urlencode(asked)}"
        shown |= {"picture": here, "alt": alt(found)}
    return page("history_page.html", 422 if wrong else 200, **shown)


@bp.get(HISTORY + ".svg")
@signed_in
def history_picture(name: str) -> Response:
    """The plot alone."""
    try:
        found = _history(name, dict(request.args.items()))
    except ValidationError as error:
        raise BadInput(_said(error)) from error
    return Response(plot(found, SVG), mimetype=SVG)


def _compared(asked: dict[str, str], others: list[str]) -> dict[str, Any]:
    loaded: dict[str, Any] = CompareArgs().load({**asked, "other": others})
    which = directions(*(_listed(loaded.get(name, "")) for name in ("higher", "lower")))
    return service().compare([loaded["base"], *loaded["other"]], caller(), which)


def _history(name: str, asked: dict[str, str]) -> dict[str, Any]:
    loaded: dict[str, Any] = HistoryArgs().load(asked)
    return service().history(name, Question(**question(loaded)), caller(), loaded["limit"])


def _listed(text: str) -> list[str]:
    return [one.strip() for one in text.split(",") if one.strip()]


def _said(error: ValidationError | BadInput) -> str:
    if isinstance(error, BadInput):
        return f"{sentence(error.detail)} To mend: {sentence(error.mend)}"
    return "; ".join(f"{key}: {_first(told)}" for key, told in error.messages_dict.items())


def _first(told: Any) -> str:
    """The first message of a field, or of an item of its list."""
    while not isinstance(told, str):
        told = next(iter(told.values() if isinstance(told, dict) else told))
    return told
