"""Evidence by its digest, and the search for it."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import urlencode

from flask import Response, jsonify, request

from mlflow_evidence_plugin.service.evidence import Resolved
from mlflow_evidence_plugin.storage import Filters, StoredBundle

from ..auth import SECURITY, caller, requires, service
from ..contract import Blueprint, problems
from ..schemas import BundlePage, BundleSchema, SearchArgs

bp = Blueprint("bundles", __name__, description="Signed evidence, by digest")


@bp.get("/bundles")
@bp.arguments(SearchArgs, location="query")
@bp.doc(security=SECURITY)
@bp.response(200, BundlePage)
@problems(bp, 400, 401, 403, 422, 500, 503)
@requires("evidence:read")
def search(args: dict[str, Any]) -> Response:
    """The newest evidence first; a `Link` header leads to the next page."""
    limit, cursor = args.pop("limit"), args.pop("cursor", None)
    before = int(cursor) if cursor else None
    rows = service().search(Filters(**args), caller(), before, limit)
    following = str(rows[-1].seq) if len(rows) == limit else None
    response = jsonify(BundlePage().dump({"items": rows, "next": following}))
    if following:
        query = urlencode({**args, "limit": limit, "cursor": following})
        response.headers["Link"] = f'<{request.path}?{query}>; rel="next"'
    return response


@bp.get("/bundles/<string(maxlength=80):digest>")
@bp.doc(security=SECURITY)
@bp.response(200, BundleSchema)
@bp.alt_response(304, description="Unchanged", success=True)
@problems(bp, 400, 401, 403, 404, 500, 503)
@requires("evidence:read")
def show(digest: str) -> Response:
    """One bundle: the record, and the signed statements about it."""
    return answer(service().bundle(digest, caller()))


def answer(bundle: StoredBundle, resolved: Resolved | None = None) -> Response:
    """A bundle as a response. Its ETag changes when a statement arrives."""
    response = Response(bundle.document(resolved.shown if resolved else None))
    response.mimetype = "application/json"
    response.set_etag(hashlib.sha256(b"".join(bundle.envelopes)).hexdigest())
    response.headers["Cache-Control"] = "private, no-cache"
    if resolved is None and request.if_none_match:
        response.make_conditional(request)
    return response
