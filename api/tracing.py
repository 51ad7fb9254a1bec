"""Which request it was: its id, the trace that it is part of, and a line in the log."""

from __future__ import annotations

import logging
import random
import re
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
    known, headers = g._get_current_object(), request.headers  # each look through a proxy costs
    asked = headers.get(REQUEST_ID, "")
    known.request_id = asked if _SANE.fullmatch(asked) else _hex(128)
    known.began = time.perf_counter()
    sent = headers.get("traceparent")
    known.trace_id, flags = _trace(sent) if sent is not None else (_hex(128), 0)
    known.traceparent = f"00-{known.trace_id}-{_hex(64)}-{flags:02x}"


def _hex(bits: int) -> str:
    # Nobody is let in by one, and each question to the system lets another thread go first.
    return f"{random.getrandbits(bits):0{bits // 4}x}"


def _trace(sent: str) -> tuple[str, int]:
    """The id of the caller's trace, and its flags.

    A header that is malformed starts a trace anew, as the specification has it.
    """
    context = get_current_span(_CONTEXT.extract({"traceparent": sent})).get_span_context()
    if not context.is_valid:
        return _hex(128), 0
    return f"{context.trace_id:032x}", int(context.trace_flags)


def _end(response: Response) -> Response:
    known, path, method = g._get_current_object(), request.path, request.method
    response.headers.add(REQUEST_ID, known.request_id)
    response.headers.add("traceparent", known.traceparent)
    level = logging.DEBUG if path in _QUIET else logging.INFO
    if log.isEnabledFor(level):
        # Of the query nothing: what people search for may be personal.
        path = shown(path)
        said = {
            "method": method,
            "path": path,
            "status": response.status_code,
            "ms": round((time.perf_counter() - known.began) * 1000, 1),
            "request_id": known.request_id,
            "trace_id": known.trace_id,
        }
        if "caller" in known:
            said |= {"principal": known.caller.name, "token": known.caller.token_id}
        if "capture" in known:
            said["capture"] = known.capture
        log.log(level, "%s %s %s", method, path, response.status_code, extra=said)
    return response
