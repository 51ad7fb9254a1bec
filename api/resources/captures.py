"""Orders to capture evidence, and how they went."""

from __future__ import annotations

import logging
import re
import threading
import time
from typing import Any

from flask import Response, current_app, g, jsonify

from mlflow_evidence_plugin.service import CaptureRequest
from mlflow_evidence_plugin.storage import Capture
from mlflow_evidence_plugin.storage.captures import FAILED

from ..auth import SECURITY, caller, requires, service
from ..contract import Blueprint, problems
from ..errors import problem, status_of_code
from ..schemas import CaptureArgs, CaptureHeaders, CaptureSchema

log = logging.getLogger(__name__)
bp = Blueprint("captures", __name__, description="Capture evidence from the tracking store")

_WAITING = threading.BoundedSemaphore(2)  # of the four threads that a web worker has

WAIT_LIMIT = 30
"""Seconds that an answer may be waited for."""


@bp.post("/captures")
@bp.arguments(CaptureArgs)
@bp.arguments(CaptureHeaders, location="headers")
@bp.doc(security=SECURITY)
@bp.response(201, CaptureSchema, description="Captured: the evidence is there")
@bp.alt_response(202, schema=CaptureSchema, description="Accepted: see Location for its state")
@problems(bp, 400, 401, 403, 404, 410, 413, 422, 500, 502, 503)
@requires("capture")
def create(args: dict[str, Any], headers: dict[str, str]) -> Response:
    """Capture the evidence of a run or of a model version.

    An order that equals one of yours which nobody has begun is that one, and so is one with the
    same `Idempotency-Key`.
    """
    order = service().capture(CaptureRequest(**args), caller(), headers.get("key"))
    g.capture = order.id
    if not order.ended:
        _enqueue(order.id)
    ended = _wait(order.id, _seconds(headers.get("prefer", "")))
    if ended.state == FAILED:
        status = status_of_code(ended.error_code)
        told = (ended.error_code or "error", ended.error_detail or "", ended.error_mend or "")
        return problem(status, *told, capture=f"/v1/captures/{ended.id}")
    response = jsonify(CaptureSchema().dump(_shown(ended)))
    response.status_code = 201 if ended.ended else 202
    response.headers["Location"] = f"/v1/captures/{ended.id}"
    return response


@bp.get("/captures/<string(maxlength=64):capture_id>")
@bp.doc(security=SECURITY)
@bp.response(200, CaptureSchema)
@problems(bp, 400, 401, 403, 404, 500, 503)
@requires("capture")
def show(capture_id: str) -> dict[str, Any]:
    """How a capture went, or goes."""
    return _shown(service().capture_state(capture_id, caller()))


def _enqueue(capture_id: str) -> None:
    try:
        current_app.extensions["enqueue"](capture_id)
    except Exception:  # the order is kept: the worker's sweep finds it without the queue
        log.warning("capture %s could not be queued", capture_id, exc_info=True)


def _seconds(prefer: str) -> int:
    found = re.search(r"(?:^|[,;\s])wait=(\d{1,9})(?:$|[,;\s])", prefer)
    return min(int(found.group(1)), WAIT_LIMIT) if found else 0


def _wait(capture_id: str, seconds: int) -> Capture:
    # Who waits holds a thread: the others are for those who only ask. `Prefer` is a preference.
    if not (seconds and _WAITING.acquire(blocking=False)):
        return service().capture_state(capture_id, caller())
    try:
        return _awaited(capture_id, seconds)
    finally:
        _WAITING.release()


def _awaited(capture_id: str, seconds: int) -> Capture:
    until = time.monotonic() + seconds
    pause = 0.02
    while True:
        order = service().capture_state(capture_id, caller())
        if order.ended or time.monotonic() >= until:
            return order
        time.sleep(pause)
        pause = min(pause * 1.5, 0.5)


def _shown(order: Capture) -> dict[str, Any]:
    shown: dict[str, Any] = dict(vars(order))
    if order.record_digest:
        shown["bundle"] = f"/v1/bundles/{order.record_digest}"
    if order.error_code and not order.record_digest:
        shown["error"] = {
            "code": order.error_code,
            "detail": order.error_detail or "",
            "mend": order.error_mend or "",
        }
    return shown
