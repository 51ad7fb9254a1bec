"""Evidence of runs."""

from __future__ import annotations

from flask import Response

from ..auth import SECURITY, caller, requires, service
from ..contract import Blueprint, problems
from ..schemas import BundleSchema
from .bundles import answer

bp = Blueprint("runs", __name__, description="Evidence of runs")


@bp.get("/runs/<string(maxlength=256):run_id>/evidence")
@bp.doc(security=SECURITY)
@bp.response(200, BundleSchema)
@bp.alt_response(304, description="Unchanged", success=True)
@problems(bp, 400, 401, 403, 404, 500, 503)
@requires("evidence:read")
def evidence(run_id: str) -> Response:
    """The newest evidence of a run, also after the run was deleted."""
    return answer(service().of_run(run_id, caller()))
