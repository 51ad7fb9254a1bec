"""Approvals and waivers of the release that a bundle is evidence of."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify

from ..auth import SECURITY, caller, requires, service
from ..contract import Blueprint, problems
from ..schemas import (
    ApprovalArgs,
    ApprovalSchema,
    EntriesSchema,
    RevocationArgs,
    WaiverArgs,
    WaiverSchema,
)

bp = Blueprint("approvals", __name__, description="What people decide about a release")

BUNDLE = "/bundles/<string(maxlength=80):digest>"
ENTRY = BUNDLE + "/approvals/<string(maxlength=80):statement>"


@bp.get(BUNDLE + "/approvals")
@bp.doc(security=SECURITY)
@bp.response(200, EntriesSchema)
@problems(bp, 400, 401, 403, 404, 410, 500, 503)
@requires("evidence:read")
def entries(digest: str) -> dict[str, Any]:
    """All approvals and waivers of the subject, and which of them count for this evidence."""
    return service().approving.entries(digest, caller())


@bp.post(BUNDLE + "/approvals")
@bp.arguments(ApprovalArgs)
@bp.doc(security=SECURITY)
@bp.response(201, ApprovalSchema, description="Signed, and entered into the log")
@bp.alt_response(200, schema=ApprovalSchema, description="The same was said before")
@problems(bp, 400, 401, 403, 404, 409, 410, 413, 422, 500, 503)
@requires("approve")
def approve(args: dict[str, Any], digest: str) -> Response:
    """Approve or reject. It is bound to the release digest: outputs, metrics, inputs, code."""
    return _entered(*service().approving.approve(digest, args, caller()))


@bp.post(ENTRY + "/revocation")
@bp.arguments(RevocationArgs)
@bp.doc(security=SECURITY)
@bp.response(201, ApprovalSchema, description="Signed, and entered into the log")
@bp.alt_response(200, schema=ApprovalSchema, description="It was taken back before")
@problems(bp, 400, 401, 403, 404, 410, 413, 422, 500, 503)
@requires("approve")
def revoke(args: dict[str, Any], digest: str, statement: str) -> Response:
    """Take an entry of one's own back, by a further entry."""
    return _entered(*service().approving.revoke(digest, statement, args.get("comment"), caller()))


@bp.post(BUNDLE + "/waivers")
@bp.arguments(WaiverArgs)
@bp.doc(security=SECURITY)
@bp.response(201, WaiverSchema, description="Signed, and entered into the log")
@problems(bp, 400, 401, 403, 404, 410, 413, 422, 500, 503)
@requires("policy")
def waive(args: dict[str, Any], digest: str) -> Response:
    """Answer for a rule's failure. Every verdict that rests on it says so."""
    response = jsonify(WaiverSchema().dump(service().approving.waive(digest, args, caller())))
    response.status_code = 201
    return response


def _entered(entry: Any, new: bool) -> Response:
    response = jsonify(ApprovalSchema().dump(entry))
    response.status_code = 201 if new else 200
    return response
