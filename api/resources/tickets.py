"""Evidence by change ticket."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from flask import Response, jsonify, request

from ..auth import SECURITY, caller, requires, service
from ..contract import Blueprint, problems
from ..schemas.tickets import TicketArgs, TicketPage

bp = Blueprint("tickets", __name__, description="All that belongs to a change ticket")


@bp.get("/tickets/<name:key>/bundles")
@bp.arguments(TicketArgs, location="query")
@bp.doc(security=SECURITY)
@bp.response(200, TicketPage)
@problems(bp, 400, 401, 403, 404, 422, 500, 503)
@requires("evidence:read")
def bundles(args: dict[str, Any], key: str) -> Response:
    """Evidence of runs that name the ticket, and what was approved or waived under it."""
    page = service().change.page(key, caller(), args.get("cursor"), args["limit"])
    response = jsonify(page)
    if page["next"]:
        query = urlencode({**args, "cursor": page["next"]})
        response.headers["Link"] = f'<{request.path}?{query}>; rel="next"'
    response.headers["Cache-Control"] = "no-store"
    return response
