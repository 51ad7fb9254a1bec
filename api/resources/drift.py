"""What changed in MLflow since evidence was signed."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify

from ..auth import SECURITY, caller, requires, service
from ..contract import Blueprint, problems
from ..schemas.drift import DriftArgs, DriftSchema

bp = Blueprint("drift", __name__, description="What changed since it was signed")

COMPARED = {
    "description": "Each change, and what cannot be known",
    "content": {"application/json": {"schema": DriftSchema}},
}


@bp.get("/bundles/<string(maxlength=80):digest>/drift")
@bp.arguments(DriftArgs, location="query")
@bp.doc(security=SECURITY, responses={"200": COMPARED})
@problems(bp, 400, 401, 403, 404, 410, 422, 500, 503)
@requires("evidence:read")
def drift(args: dict[str, Any], digest: str) -> Response:
    """What MLflow says of the subject now, against the record. MLflow is asked anew each time."""
    record = service().bundle(digest, caller()).record()
    response = jsonify(service().drifting.of(record, caller(), args["artifacts"]))
    response.headers["Cache-Control"] = "no-store"
    return response
