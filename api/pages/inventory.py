"""What there is, whose it is, and what it lacks; or the same added up."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from flask import Response, request
from marshmallow import ValidationError

from mlflow_evidence_plugin.errors import BadInput, StoreRefused, StoreUnavailable
from mlflow_evidence_plugin.service.holding import LACKS
from mlflow_evidence_plugin.service.inventory import Wanted

from ..auth import caller, service
from ..schemas.inventory import GroupArgs, InventoryArgs
from .blueprint import bp, page, sentence
from .search import WORDS
from .sessions import signed_in

PATIENCE = 5.0
"""Seconds after which a page is shown as full as it is: what matches may be far between."""

FIELDS = (("model", "Model"), ("owner", "Owner"), ("cost_center", "Cost centre"))
BY = (("owner", "Owner"), ("cost_center", "Cost centre"))


@bp.get("/inventory")
@signed_in
def inventory() -> Response:
    """Versions and runs that match, a page at a time; with `by`, each owner or cost centre."""
    asked = {key: text.strip() for key, text in request.args.items() if text.strip()}
    found, wrong = None, ""
    try:
        found = _grouped(asked) if "by" in asked else _listed(asked)
    except ValidationError as error:
        wrong = "; ".join(f"{key}: {said[0]}" for key, said in error.messages_dict.items())
    except BadInput as error:
        wrong = f"{sentence(error.detail)} To mend: {sentence(error.mend)}"
    shown: dict[str, Any] = {"asked": asked, "wrong": wrong, "found": found, "by": asked.get("by")}
    following = found.get("next") if found else None
    shown["next"] = urlencode({**asked, "cursor": following}) if following else None
    shown |= {"full": not found or found.get("full", True), "words": WORDS, "named": named}
    fields = {"fields": FIELDS, "lacks": LACKS, "groupings": BY}
    return page("inventory_page.html", 422 if wrong else 200, **shown, **fields)


def named(name: str) -> str:
    """What is lacking, or added up by, in words."""
    return dict(BY).get(name, name.replace("_", " ")).lower()


def _listed(asked: dict[str, str]) -> dict[str, Any]:
    """As many as a page holds: the store's own pages may be short, or hold nothing that matches."""
    wanted = Wanted(**InventoryArgs().load(asked))
    found = service().inventory.page(wanted, caller())
    until = time.monotonic() + PATIENCE
    while found["next"] and len(found["items"]) < wanted.limit and time.monotonic() < until:
        try:
            more = service().inventory.page(replace(wanted, cursor=found["next"]), caller())
        except (StoreRefused, StoreUnavailable):
            break  # what was found is shown; whoever looks on is told
        found |= {"items": found["items"] + more["items"], "next": more["next"]}
    return found | {"full": len(found["items"]) >= wanted.limit}


def _grouped(asked: dict[str, str]) -> dict[str, Any]:
    loaded: dict[str, Any] = GroupArgs().load(asked)
    by, most = loaded.pop("by"), loaded.pop("max")
    return service().inventory.grouped(Wanted(**loaded), caller(), by, most)
