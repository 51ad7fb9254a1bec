"""The first page: search for evidence."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from flask import Response, request
from marshmallow import ValidationError

from mlflow_evidence_plugin.errors import BadInput
from mlflow_evidence_plugin.storage import Filters

from ..auth import caller, service
from ..schemas import SearchArgs
from .blueprint import bp, page, sentence
from .sessions import signed_in

PAGE = 25
FIELDS = (("model", "Model", ""), ("version", "Version", "of it"), ("owner", "Owner", ""))
MORE = (
    ("ticket", "Ticket", ""),
    ("run_id", "Run", "its id"),
    ("tag", "Tag", "NAME=VALUE"),
)
DAYS = (("since", "Since", "UTC"), ("until", "Until", "included"))
WORDS = {
    "passed": ("good", "✓", "allowed"),
    "failed": ("bad", "✕", "blocked"),
    "pending": ("open", "…", "pending"),
    "expired": ("open", "…", "expired"),
}


@bp.get("/")
@signed_in
def search() -> Response:
    """Fields, and what they find: the newest first."""
    asked = {key: text.strip() for key, text in request.args.items() if text.strip()}
    cursor = asked.pop("cursor", None)
    wrong, found = "", None
    try:
        found = service().search(_filters(asked), caller(), cursor, PAGE)
    except ValidationError as error:
        wrong = "; ".join(f"{key}: {said[0]}" for key, said in error.messages_dict.items())
    except BadInput as error:
        wrong = f"{sentence(error.detail)} To mend: {sentence(error.mend)}"
    following = urlencode({**asked, "cursor": found.next}) if found and found.next else None
    shown: dict[str, Any] = {"asked": asked, "words": WORDS, "wrong": wrong}
    shown |= {"fields": FIELDS, "more": MORE, "days": DAYS}
    shown["unfolded"] = any(name in asked for name, _, _ in (*MORE, *DAYS))
    status = 422 if wrong else 200
    items = found.items if found else ()
    return page("search.html", status, **shown, items=items, next=following, later=bool(cursor))


def _filters(asked: dict[str, str]) -> Filters:
    """What the REST search takes, checked by the same schema; days become times in UTC."""
    told: dict[str, Any] = dict(asked)
    for name, days in (("since", 0), ("until", 1)):  # the day itself is included
        if name in told:
            try:
                day = date.fromisoformat(told[name]) + timedelta(days=days)
            except (ValueError, OverflowError) as error:
                raise ValidationError({name: ["not a day: write 2026-05-01"]}) from error
            told[name] = f"{day.isoformat()}T00:00:00Z"
    loaded: dict[str, Any] = SearchArgs().load(told)
    loaded.pop("limit")
    return Filters(**loaded)
