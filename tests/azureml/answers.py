"""What the double's services say, in the shapes of Azure's."""

from __future__ import annotations

import json
from typing import Any

from werkzeug.wrappers import Request, Response


def reply(document: Any, status: int = 200, **headers: str) -> Response:
    body = json.dumps(document)
    return Response(body, status, mimetype="application/json", headers=headers)


def fail(status: int, code: str, message: str, **headers: str) -> Response:
    error = {"error": {"code": code, "message": message}, "componentName": "mlflow"}
    return reply(error, status, **headers)


def storage_fail(status: int, code: str, **headers: str) -> Response:
    body, said = f"<Error><Code>{code}</Code></Error>", {"x-ms-error-code": code, **headers}
    return Response(body, status, mimetype="application/xml", headers=said)


class Cut(Response):
    """No answer at all: the connection is closed."""


def cut(_: Request) -> Response:
    return Cut()
