"""What there is in the store, whose it is, and what it lacks."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from flask import Response, jsonify, request

from mlflow_evidence_plugin.service.inventory import Wanted

from ..auth import SECURITY, caller, requires, service
from ..contract import Blueprint, problems
from ..schemas.inventory import GroupArgs, GroupsSchema, InventoryArgs, InventoryPage

bp = Blueprint("inventory", __name__, description="What there is, and what it lacks")


@bp.get("/inventory")
@bp.arguments(InventoryArgs, location="query")
@bp.doc(security=SECURITY)
@bp.response(200, InventoryPage)
@problems(bp, 400, 401, 403, 404, 422, 500, 502, 503)
@requires("evidence:read")
def inventory(args: dict[str, Any]) -> Response:
    """Model versions and runs, also those without evidence; a `Link` header leads on."""
    page = service().inventory.page(Wanted(**args), caller())
    response = jsonify(page)
    if page["next"]:
        query = urlencode({**args, "cursor": page["next"]})
        response.headers["Link"] = f'<{request.path}?{query}>; rel="next"'
    response.headers["Cache-Control"] = "no-store"
    return response


@bp.get("/inventory/groups")
@bp.arguments(GroupArgs, location="query")
@bp.doc(security=SECURITY)
@bp.response(200, GroupsSchema)
@problems(bp, 400, 401, 403, 404, 422, 500, 502, 503)
@requires("evidence:read")
def grouped(args: dict[str, Any]) -> Any:
    """The inventory by owner or by cost centre: what each has, lacks, and used."""
    by, most = args.pop("by"), args.pop("max")
    return service().inventory.grouped(Wanted(**args), caller(), by, most)
