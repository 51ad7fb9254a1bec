"""Verify evidence that somebody was handed, against the keys of this service."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from flask import request

from mlflow_evidence_plugin.errors import BadInput

from ..auth import SECURITY, requires, service
from ..contract import Blueprint, problems
from ..schemas import ReportSchema, VerifyArgs

bp = Blueprint("verification", __name__, description="Does evidence hold")

SIZE_LIMIT = 64 << 20
"""Bytes of an archive. A larger one is verified where it lies: mlflow-evidence verify."""

BODY = {
    "required": True,
    "description": "An archive (zip), or a bundle (JSON)",
    "content": {
        "application/zip": {"schema": {"type": "string", "format": "binary"}},
        "application/json": {"schema": {"type": "object"}},
    },
}


@bp.post("/verify")
@bp.arguments(VerifyArgs, location="query")
@bp.doc(security=SECURITY, requestBody=BODY)
@bp.response(200, ReportSchema)
@problems(bp, 400, 401, 403, 413, 422, 500, 503)
@requires("evidence:read")
def verify(args: dict[str, Any]) -> dict[str, Any]:
    """Check evidence against this service's keys. A finding is an answer, not an error.

    Whoever doubts the service verifies offline, with the keys that its operator gave.
    """
    request.max_content_length = SIZE_LIMIT
    with tempfile.NamedTemporaryFile(suffix=".evidence") as file:
        while piece := request.stream.read(1 << 20):
            file.write(piece)
        if not file.tell():
            raise BadInput("there is nothing to verify", "send an archive or a bundle as the body")
        file.flush()
        return service().verify(Path(file.name), args.get("subject"), args.get("decision"))
