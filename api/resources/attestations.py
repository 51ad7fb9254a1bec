"""What others have signed about evidence that we have: scanners, builds, tests."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, request

from ..auth import SECURITY, caller, requires, service
from ..contract import Blueprint, problems
from ..schemas import AttestationSchema, AttestationsSchema

bp = Blueprint("attestations", __name__, description="Statements that others have signed")

BODY = {
    "required": True,
    "description": "A DSSE envelope, or a sigstore bundle v0.3, with an in-toto statement whose "
    "subject has the root of captured files as its sha256",
    "content": {"application/json": {"schema": {"type": "object"}}},
}


@bp.post("/attestations")
@bp.doc(security=SECURITY, requestBody=BODY)
@bp.response(201, AttestationSchema, description="Kept")
@bp.alt_response(200, schema=AttestationSchema, description="It was there already")
@problems(bp, 400, 401, 403, 404, 413, 422, 500, 503)
@requires("ingest")
def take() -> Response:
    """Take a statement in. Its signature is verified before anything in it is believed."""
    kept, new = service().take(request.get_data(), caller())
    response = jsonify(AttestationSchema().dump(kept))
    response.status_code = 201 if new else 200
    return response


@bp.get("/bundles/<string(maxlength=80):digest>/attestations")
@bp.doc(security=SECURITY)
@bp.response(200, AttestationsSchema)
@problems(bp, 400, 401, 403, 404, 410, 500, 503)
@requires("evidence:read")
def about(digest: str) -> dict[str, Any]:
    """What came in about a record, also what is in quarantine."""
    return {"items": service().attestations(digest, caller())}
