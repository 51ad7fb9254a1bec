"""Evidence in the format that the caller accepts: JSON unless another is asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from flask import Response, request
from werkzeug.exceptions import NotAcceptable

from mlflow_evidence_plugin.render.formats import CYCLONEDX, ENVELOPE, RENDERERS, Renderer
from mlflow_evidence_plugin.render.html import csp, when
from mlflow_evidence_plugin.service.gate import Resolved
from mlflow_evidence_plugin.storage import StoredBundle

from .auth import caller, service
from .contract import Blueprint, problems
from .schemas import BundleSchema
from .schemas.bundles import EnvelopeSchema

View = TypeVar("View", bound=Callable[..., Any])
JSON = RENDERERS[0]
_TYPES = [one.media_type for one in RENDERERS]
_PLAIN = (None, "", "*/*", JSON.media_type)
_TEXT: dict[str, Any] = {"type": "string"}
_OBJECT: dict[str, Any] = {"type": "object"}


def accepted() -> Renderer:
    """The format that this request accepts best; NotAcceptable (406) with those there are."""
    return RENDERERS[_TYPES.index(preferred(_TYPES, "evidence"))]


def preferred(types: Sequence[str], what: str) -> str:
    """Of the media types, JSON first, the one that this request accepts best; NotAcceptable."""
    if request.environ.get("HTTP_ACCEPT") in _PLAIN:
        return types[0]
    best: str | None = request.accept_mimetypes.best_match(types)
    if best is None:
        raise NotAcceptable(f"{what} is served as {', '.join(types)}")
    return best


def rendered(chosen: Renderer, bundle: StoredBundle, resolved: Resolved | None = None) -> Response:
    """A bundle in a format other than its own. The ETag is of the format and the bytes.

    By an alias it is weak, and leaves out the time at which we looked.
    """
    body = chosen.render(service().exhibit(bundle, caller(), resolved))
    response = Response(body, content_type=content_type(chosen))
    told = body
    for at in (str(when(resolved.resolved_at)), resolved.resolved_at) if resolved else ():
        told = told.replace(at.encode(), b"")
    named = chosen.media_type.encode() + b"\0" + told  # JSON's tag is of the envelopes alone
    response.set_etag(hashlib.sha256(named).hexdigest(), weak=bool(resolved))
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Vary"] = "Accept"
    response.headers["X-Content-Type-Options"] = "nosniff"
    if chosen.name == "html":
        response.headers["Content-Security-Policy"] = f"{csp()}; frame-ancestors 'none'"
    response.make_conditional(request)
    return response


def content_type(chosen: Renderer) -> str:
    """The media type, with the charset where that must be said."""
    return f"{chosen.media_type}; charset=utf-8" if chosen.text else chosen.media_type


def renderings(bp: Blueprint) -> Callable[[View], View]:
    """Document that a view answers with a bundle in every format of the table."""
    schemas = {JSON.media_type: BundleSchema, ENVELOPE: EnvelopeSchema, CYCLONEDX: _OBJECT}
    content = {kind: {"schema": schemas.get(kind, _TEXT)} for kind in _TYPES}
    found = {"description": "The evidence, in the format accepted", "content": content}

    def decorate(view: View) -> View:
        documented: View = bp.doc(responses={"200": found})(view)
        return problems(bp, 406)(documented)

    return decorate
