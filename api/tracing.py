"""Which request it was: its id, the trace that it is part of, and a line in the log."""

from __future__ import annotations

import logging
import re
import secrets
import time

from flask import Flask, Response, g, request
from opentelemetry.trace import get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

log = logging.getLogger("api.request")

REQUEST_ID = "X-Request-Id"
_SANE = re.compile(r"[\w.:-]{1,64}", re.ASCII)
_QUIET = ("/livez", "/readyz")
_CAPABILITY = re.compile(r"(?is)(/checks/+(?:flagger|gatekeeper)/+|\bmle_[0-9a-f]{1,16}_).+")
"""A secret in an address, and what follows it: well-formed, mistyped, or of a method not served."""
_CONTEXT = TraceContextTextMapPropagator()


def install(app: Flask) -> None:
    """Name each request before anything else looks at it, and log it when it is answered."""
    app.before_request(_begin)
    app.after_request(_end)


def request_id() -> str | None:
    """The id of the request at hand; None outside of one."""
    found: str | None = g.get("request_id") if g else None
    return found


def shown(path: str) -> str:
    """A path as it may be logged: without the capability that lets its caller in."""
    return _CAPABILITY.sub(r"\1…", path)


def _begin() -> None:
    asked = request.headers.get(REQUEST_ID, "")
    g.request_id = asked if _SANE.fullmatch(asked) else secrets.token_hex(16)
    g.began = time.perf_counter()
    sent = {key: request.headers[key] for key in ("traceparent",) if key in request.headers}
    context = get_current_span(_CONTEXT.extract(sent)).get_span_context()
    # A header that is malformed starts a trace anew, as the specification has it.
    g.trace_id = f"{context.trace_id:032x}" if context.is_valid else secrets.token_hex(16)
    flags = int(context.trace_flags) if context.is_valid else 0
    g.traceparent = f"00-{g.trace_id}-{secrets.token_hex(8)}-{flags:02x}"


def _end(response: Response) -> Response:
    response.headers[REQUEST_ID] = g.request_id
    response.headers["traceparent"] = g.traceparent
    level = logging.DEBUG if request.path in _QUIET else logging.INFO
    if log.isEnabledFor(level):
        # Of the query nothing: what people search for may be personal.
        path = shown(request.path)
        said = {
            "method": request.method,
            "path": path,
            "status": response.status_code,
            "ms": round((time.perf_counter() - g.began) * 1000, 1),
            "request_id": g.request_id,
            "trace_id": g.trace_id,
        }
        if "caller" in g:
            said |= {"principal": g.caller.name, "token": g.caller.token_id}
        if "capture" in g:
            said["capture"] = g.capture
        log.log(level, "%s %s %s", request.method, path, response.status_code, extra=said)
    return response
