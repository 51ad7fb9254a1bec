"""Evidence and decisions of model versions, by version or by alias."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from flask import Response, jsonify, request

from mlflow_evidence_plugin.policy import Decision
from mlflow_evidence_plugin.policy.decision import rfc3339
from mlflow_evidence_plugin.service.gate import STAGE as BY_STAGE

from ..address import own_address, page_of
from ..auth import SECURITY, caller, environment_of, requires, service
from ..contract import Blueprint, problems
from ..errors import problem
from ..negotiation import renderings
from ..schemas import DecisionArgs, DecisionsArgs, DecisionSchema, DecisionsPage
from .bundles import answer

bp = Blueprint("models", __name__, description="Evidence and decisions of model versions")

MODEL = "/models/<string(maxlength=256):name>"
VERSION = MODEL + "/versions/<string(maxlength=32):version>"
ALIAS = MODEL + "/aliases/<string(maxlength=256):alias>"
STAGE = MODEL + "/stages/<string(maxlength=64):stage>"


@bp.get(VERSION + "/evidence")
@bp.doc(security=SECURITY)
@renderings(bp)
@bp.alt_response(304, description="Unchanged", success=True)
@problems(bp, 400, 401, 403, 404, 410, 500, 503)
@requires("evidence:read")
def evidence(name: str, version: str) -> Response:
    """The newest evidence of a model version and of its source run."""
    return answer(service().of_version(name, version, caller()))


@bp.get(ALIAS + "/evidence")
@bp.doc(security=SECURITY)
@renderings(bp)
@bp.alt_response(304, description="The same version, unchanged", success=True)
@problems(bp, 400, 401, 403, 404, 410, 500, 502, 503)
@requires("evidence:read")
def evidence_by_alias(name: str, alias: str) -> Response:
    """Evidence of the version that holds an alias now; `resolved` says which, and when."""
    return answer(*service().of_alias(name, alias, caller()))


@bp.get(STAGE + "/evidence")
@bp.doc(security=SECURITY)
@renderings(bp)
@bp.alt_response(304, description="The same version, unchanged", success=True)
@problems(bp, 400, 401, 403, 404, 410, 500, 502, 503)
@requires("evidence:read")
def evidence_by_stage(name: str, stage: str) -> Response:
    """Evidence of the newest version in one of MLflow's legacy stages, as for an alias."""
    return answer(*service().of_alias(name, stage, caller(), kind=BY_STAGE))


@bp.get(VERSION + "/decision")
@bp.arguments(DecisionArgs, location="query")
@bp.doc(security=SECURITY)
@bp.response(200, DecisionSchema)
@problems(bp, 400, 401, 403, 404, 409, 422, 500, 503)
@requires("evidence:read", verdicts=True)
def decision(args: dict[str, Any], name: str, version: str) -> Response:
    """May this version be released? Every reason says how to mend it."""
    pinned = (args.get("digest"), args.get("policy"))
    asked = ((name, version), environment_of(args.get("environment")), caller(), pinned)
    evidence = service()
    found = evidence.gate.decide(*asked, fresh=_insists())
    return _verdict(found, args["enforce"], rfc3339(evidence.now()))


@bp.get(VERSION + "/decisions")
@bp.arguments(DecisionsArgs, location="query")
@bp.doc(security=SECURITY)
@bp.response(200, DecisionsPage)
@problems(bp, 400, 401, 403, 404, 410, 422, 500, 503)
@requires("evidence:read")
def history(args: dict[str, Any], name: str, version: str) -> Response:
    """The verdicts on a version, the newest first; a `Link` header leads to the next page."""
    before = int(args["cursor"]) if "cursor" in args else None
    asked = (args.get("environment"), before, args["limit"])
    found, last = service().gate.verdicts_on((name, version), asked, caller())
    items = [one.answer(one.evaluated_at, _details(one)) for one in found]
    response = jsonify({"items": items, "next": None if last is None else str(last)})
    if last is not None:
        query = urlencode({**args, "cursor": last})
        response.headers["Link"] = f'<{request.path}?{query}>; rel="next"'
    return response


@bp.get(ALIAS + "/decision")
@bp.arguments(DecisionArgs, location="query")
@bp.doc(security=SECURITY)
@bp.response(200, DecisionSchema)
@problems(bp, 400, 401, 403, 404, 409, 422, 500, 503)
@requires("evidence:read", verdicts=True)
def decision_by_alias(args: dict[str, Any], name: str, alias: str) -> Response:
    """May the version that holds an alias now be released? No, if the store is away."""
    pinned = (args.get("digest"), args.get("policy"))
    asked = ((name, alias), environment_of(args.get("environment")), caller(), pinned)
    found, at = service().gate.decide_alias(*asked, fresh=_insists())
    return _verdict(found, args["enforce"], at)


@bp.get(STAGE + "/decision")
@bp.arguments(DecisionArgs, location="query")
@bp.doc(security=SECURITY)
@bp.response(200, DecisionSchema)
@problems(bp, 400, 401, 403, 404, 409, 422, 500, 503)
@requires("evidence:read", verdicts=True)
def decision_by_stage(args: dict[str, Any], name: str, stage: str) -> Response:
    """May the newest version in a legacy stage be released? No, if the store is away."""
    pinned = (args.get("digest"), args.get("policy"))
    asked = ((name, stage), environment_of(args.get("environment")), caller(), pinned)
    found, at = service().gate.decide_alias(*asked, kind=BY_STAGE, fresh=_insists())
    return _verdict(found, args["enforce"], at)


def _details(found: Decision) -> str | None:
    return page_of(found.record, own_address())


def _insists() -> bool:
    """Whether the caller wants everything looked at anew: `Cache-Control: no-cache`."""
    return "HTTP_CACHE_CONTROL" in request.environ and bool(request.cache_control.no_cache)


def _verdict(found: Decision, enforce: bool, resolved_at: str) -> Response:
    if enforce and not found.allowed:
        document, first = found.answer(resolved_at, _details(found)), found.reasons[0]
        return problem(409, "denied", first["found"], first["mend"], document=document)
    headers = {"Cache-Control": "no-store"}
    text = found.answer_json(resolved_at, _details(found))
    return Response(text, headers=headers, content_type="application/json")
