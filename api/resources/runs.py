"""Evidence of runs, and the runs that lack our tags."""

from __future__ import annotations

from typing import Any

from flask import Response

from mlflow_evidence_plugin.service.stamping import Asked

from ..auth import SECURITY, caller, requires, service
from ..contract import Blueprint, problems
from ..negotiation import renderings
from ..schemas import RunModelsSchema, StampArgs, StampedSchema, UnstampedArgs, UnstampedPage
from .bundles import answer

bp = Blueprint("runs", __name__, description="Evidence of runs")


@bp.get("/runs/<string(maxlength=256):run_id>/evidence")
@bp.doc(security=SECURITY)
@renderings(bp)
@bp.alt_response(304, description="Unchanged", success=True)
@problems(bp, 400, 401, 403, 404, 410, 500, 503)
@requires("evidence:read")
def evidence(run_id: str) -> Response:
    """The newest evidence of a run, also after the run was deleted."""
    return answer(service().of_run(run_id, caller()))


@bp.get("/runs/<string(maxlength=256):run_id>/models")
@bp.doc(security=SECURITY)
@bp.response(200, RunModelsSchema)
@problems(bp, 400, 401, 403, 404, 500, 502, 503)
@requires("evidence:read")
def models(run_id: str) -> dict[str, Any]:
    """The model versions that were made from a run, now and in the evidence of it."""
    found = service().models_of(run_id, caller())
    problem = found.problem and {"code": found.problem.code, "detail": found.problem.detail}
    return {"items": found.items, "resolved_at": found.resolved_at, "problem": problem}


@bp.get("/runs/unstamped")
@bp.arguments(UnstampedArgs, location="query")
@bp.doc(security=SECURITY)
@bp.response(200, UnstampedPage)
@problems(bp, 400, 401, 403, 404, 409, 422, 500, 502, 503)
@requires("evidence:read")
def unstamped(args: dict[str, Any]) -> Any:
    """The runs that nobody has stamped, and what each would get. Nothing is written."""
    return service().unstamped(Asked(**args), caller())


@bp.post("/runs/<string(maxlength=256):run_id>/stamp")
@bp.arguments(StampArgs)
@bp.doc(security=SECURITY)
@bp.response(200, StampedSchema)
@problems(bp, 400, 401, 403, 404, 409, 413, 422, 500, 502, 503)
@requires("stamp")
def stamp(args: dict[str, Any], run_id: str) -> dict[str, Any]:
    """Stamp a run that nobody has stamped; sent again, it does nothing.

    403 with the code `write-back-off` where the operator has not allowed it.
    """
    return {"run_id": run_id, "stamped": service().stamp(run_id, args["values"], caller())}
