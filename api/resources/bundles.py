"""Evidence by its digest, and the search for it."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import urlencode

from flask import Response, jsonify, request

from mlflow_evidence_plugin.service.gate import Resolved
from mlflow_evidence_plugin.storage import Filters, StoredBundle

from ..auth import SECURITY, caller, requires, service
from ..contract import Blueprint, problems
from ..negotiation import JSON, accepted, rendered, renderings
from ..schemas import ArchiveArgs, BundlePage, ErasureArgs, ErasureSchema, SearchArgs

bp = Blueprint("bundles", __name__, description="Signed evidence, by digest")

KEPT = {
    "description": "The bytes, whose SHA-256 is the digest",
    "content": {"text/csv": {"schema": {"type": "string"}}},
}

ARCHIVE = {
    "description": "A zip file; VERIFY.md in it says how to verify it",
    "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
}


@bp.get("/bundles")
@bp.arguments(SearchArgs, location="query")
@bp.doc(security=SECURITY)
@bp.response(200, BundlePage)
@problems(bp, 400, 401, 403, 422, 500, 503)
@requires("evidence:read")
def search(args: dict[str, Any]) -> Response:
    """The newest evidence first; a `Link` header leads to the next page."""
    limit, cursor = args.pop("limit"), args.pop("cursor", None)
    page = service().search(Filters(**args), caller(), cursor, limit)
    response = jsonify(BundlePage().dump({"items": page.items, "next": page.next}))
    if page.next:
        query = urlencode({**args, "limit": limit, "cursor": page.next})
        response.headers["Link"] = f'<{request.path}?{query}>; rel="next"'
    return response


@bp.get("/bundles/<string(maxlength=80):digest>")
@bp.doc(security=SECURITY)
@renderings(bp)
@bp.alt_response(304, description="Unchanged", success=True)
@problems(bp, 400, 401, 403, 404, 410, 500, 503)
@requires("evidence:read")
def show(digest: str) -> Response:
    """One bundle: the record, and the signed statements about it."""
    return answer(service().bundle(digest, caller()))


@bp.get("/bundles/<string(maxlength=80):digest>/archive")
@bp.arguments(ArchiveArgs, location="query")
@bp.doc(security=SECURITY, responses={"200": ARCHIVE})
@problems(bp, 400, 401, 403, 404, 410, 422, 500, 503)
@requires("evidence:read")
def archive(args: dict[str, Any], digest: str) -> Response:
    """All that was ever signed about the subject, to be verified offline, in years to come.

    With `artifacts`, files of the run and the model too, got from the tracking store before the
    answer begins; `archive.json` in it says what was left out, and why.
    """
    response = archived(digest, args.get("size"), args["artifacts"])
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "private, no-cache"
    return response


def archived(digest: str, size: int | None = None, artifacts: int = 0) -> Response:
    """The archive, sent piece by piece under a name of its own."""
    name, pieces = service().archive(digest, caller(), size, artifacts)
    response = Response(pieces, content_type="application/zip")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@bp.post("/bundles/<string(maxlength=80):digest>/erasure")
@bp.arguments(ErasureArgs)
@bp.doc(security=SECURITY)
@bp.response(200, ErasureSchema)
@problems(bp, 400, 401, 403, 404, 409, 413, 422, 500, 503)
@requires("admin")
def erase(args: dict[str, str], digest: str) -> dict[str, Any]:
    """Erase the record and all that was signed about it; a signed tombstone takes its place.

    It cannot be undone. What was erased already answers with its tombstone.
    """
    return service().erase(digest, args["reason"], caller()).facts


@bp.get("/bundles/<string(maxlength=80):digest>/materials/<string(maxlength=80):sha256>")
@bp.doc(security=SECURITY, responses={"200": KEPT, "304": {"description": "Unchanged"}})
@problems(bp, 400, 401, 403, 404, 410, 500, 503)
@requires("evidence:read")
def material(digest: str, sha256: str) -> Response:
    """What the record names by digest and the service keeps: a metric's whole history."""
    media_type, data = service().material(digest, sha256, caller())
    response = Response(data, content_type=media_type)
    response.set_etag(sha256)
    response.headers["Cache-Control"] = "private, max-age=31536000, immutable"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.make_conditional(request)
    return response


def answer(bundle: StoredBundle, resolved: Resolved | None = None) -> Response:
    """A bundle as a response, in the format that is accepted.

    The ETag of its own bytes changes when a statement arrives. By an alias it is a weak one, of the
    version too: the bytes also tell when we looked.
    """
    chosen = accepted()
    if chosen is not JSON:
        return rendered(chosen, bundle, resolved)
    response = Response(bundle.document(resolved.shown if resolved else None))
    response.mimetype = "application/json"
    etag = hashlib.sha256(b"".join(bundle.envelopes)).hexdigest()
    response.set_etag(f"{etag}-{resolved.version}" if resolved else etag, weak=bool(resolved))
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Vary"] = "Accept"
    if request.if_none_match:
        response.make_conditional(request)
    return response
