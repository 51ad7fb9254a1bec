"""Policies: the one in force, and a dry run of another."""

from __future__ import annotations

import json
from typing import Any

from flask import request

from mlflow_evidence_plugin.errors import NoPolicy
from mlflow_evidence_plugin.service.explaining import Asked, DryRun

from ..auth import SECURITY, caller, requires, service
from ..contract import Blueprint, problems
from ..schemas import ExplainArgs, ExplainedSchema, PolicySchema

bp = Blueprint("policies", __name__, description="Policies, and what they would have blocked")

BODY = {
    "required": True,
    "description": "A policy file, 256 KiB at the most",
    "content": {"application/yaml": {"schema": {"type": "string"}}},
}


@bp.get("/policies/current")
@bp.doc(security=SECURITY)
@bp.response(200, PolicySchema)
@problems(bp, 400, 401, 403, 404, 500, 503)
@requires("evidence:read")
def current() -> dict[str, Any]:
    """The policy in force, that decisions are made by."""
    policy = service().deciding.policy
    if policy is None:
        raise NoPolicy("no policy is configured", "set EVIDENCE_SERVICE_POLICY_FILE")
    return {"digest": policy.digest, "policy": json.loads(policy.canonical)}


@bp.post("/policies/explain")
@bp.arguments(ExplainArgs, location="query")
@bp.doc(security=SECURITY, requestBody=BODY)
@bp.response(200, ExplainedSchema)
@problems(bp, 400, 401, 403, 404, 413, 422, 500, 503)
@requires("policy")
def explain(args: dict[str, Any]) -> dict[str, Any]:
    """What a policy would have blocked of all that was captured, a page at a time.

    Nothing is decided or kept. What cannot be told from history is counted apart.
    """
    evidence = Asked(args.get("model"), args.get("since"))
    asked = DryRun(args.get("environment"), evidence, args.get("cursor"), args["limit"])
    return service().explain(request.get_data(), asked, caller())
