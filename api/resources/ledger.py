"""The log of all statements, and the keys that signed them: what proves that nothing is missing."""

from __future__ import annotations

from typing import Any

from flask import Response

from ..auth import SECURITY, caller, requires, service
from ..contract import Blueprint, problems
from ..schemas import ChainSchema, GrowthArgs, GrowthSchema, HeadArgs, InclusionSchema, TrustSchema

bp = Blueprint("ledger", __name__, description="The log of all statements, and the keys to trust")

NOTE = {
    "description": "A C2SP checkpoint: the log's name, its size, its root, and our signature",
    "content": {"text/plain": {"schema": {"type": "string"}}},
}


@bp.get("/trust")
@bp.response(200, TrustSchema)
@problems(bp, 400, 500, 503)
def trust() -> Response:
    """The keys that this service has signed with. Compare them with what its operator told you."""
    response = Response(service().issuing.trust(), mimetype="application/json")
    response.headers["Cache-Control"] = "public, max-age=60"
    return response


@bp.get("/ledger/checkpoint")
@bp.arguments(HeadArgs, location="query")
@bp.doc(security=SECURITY, responses={"200": NOTE})
@problems(bp, 400, 401, 403, 422, 500, 503)
@requires("evidence:read")
def checkpoint(args: dict[str, Any]) -> Response:
    """The log's signed head. Keep it: later ones can be proven to continue it."""
    _, note = service().issuing.checkpoint(args.get("size"))
    return Response(note, content_type="text/plain; charset=utf-8")


@bp.get("/ledger/consistency")
@bp.arguments(GrowthArgs, location="query")
@bp.doc(security=SECURITY)
@bp.response(200, GrowthSchema)
@problems(bp, 400, 401, 403, 422, 500, 503)
@requires("evidence:read")
def consistency(args: dict[str, Any]) -> dict[str, Any]:
    """The proof that nothing before a head was changed or removed since."""
    return service().issuing.growth(args["old"], args.get("new"))


@bp.get("/ledger/statements/<string(maxlength=80):statement>")
@bp.doc(security=SECURITY)
@bp.response(200, InclusionSchema)
@problems(bp, 400, 401, 403, 404, 500, 503)
@requires("evidence:read")
def inclusion(statement: str) -> dict[str, Any]:
    """The proof that a statement, named by its envelope's digest, is in the log."""
    return service().issuing.place(statement)


@bp.get("/bundles/<string(maxlength=80):digest>/chain")
@bp.doc(security=SECURITY)
@bp.response(200, ChainSchema)
@problems(bp, 400, 401, 403, 404, 500, 503)
@requires("evidence:read")
def chain(digest: str) -> dict[str, Any]:
    """Every statement ever signed about the bundle's subject, also those of earlier bundles."""
    return service().chain(digest, caller())
