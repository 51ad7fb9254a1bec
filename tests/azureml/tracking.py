"""Tracking and registry: MLflow's own server, but for where Azure ML is known to differ."""

from __future__ import annotations

import io
import json
import os
import re
import uuid
from pathlib import Path
from typing import Any

from werkzeug.wrappers import Request, Response

from .answers import fail, reply
from .names import HOST, SCOPE

UNSUPPORTED = {
    "/mlflow/logged-models": 404,  # seen: Azure/azure-sdk-for-python#44896
    "/mlflow/traces": 403,  # seen: Azure/azure-sdk-for-python#40261
    "/mlflow/registered-models/rename": 404,
    "/mlflow/webhooks": 404,
    "/mlflow/scorers": 404,
    "/api/3.0/": 404,
    "/version": 404,
}
"""Answered with an empty body; assumed, where no issue is named."""

TAGS, KEY, VALUE = 50, 100, 1000
"""Limits of the service: tags of a run, characters of a tag's name and value."""

WRITES = ("/runs/create", "/runs/set-tag", "/runs/log-batch")
SERVER = ("_MLFLOW_SERVER_FILE_STORE", "_MLFLOW_SERVER_ARTIFACT_ROOT")
CLIENT = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")


class Tracking:
    """One per process: MLflow keeps its store globally."""

    def __init__(self, root: Path, logged_models: bool, quirks: bool) -> None:
        self.quirks = quirks
        self._unsupported = {
            part: status
            for part, status in UNSUPPORTED.items()
            if not (logged_models and "logged-models" in part)
        }
        self._mlflow = _mlflow(root)

    def answer(self, request: Request, sub: str) -> Response:
        """The answer to a request below the workspace's tracking address."""
        for part, status in self._unsupported.items():
            if part in sub:
                return Response(b"", status)
        if sub.endswith("/runs/get-run-data-status"):
            return reply({"is_complete": True})
        later = sub.endswith("/runs/log-batch-async")
        if later:
            sub = sub.replace("/preview/", "/").removesuffix("-async")
        body = request.get_data()
        if self.quirks and sub.endswith(WRITES):
            document = json.loads(body)
            if refused := self._over_limits(request, sub, document):
                return refused
            body = json.dumps(_as_kept(sub, document)).encode()
        answer = self._ask(request, sub, body)
        if later and answer.status_code == 200:
            return reply({"batch_tracking_id": uuid.uuid4().hex})
        # MLflow has <root>/<e>/<run>/artifacts, Azure ML /experiments/<e>/runs/<run>/artifacts.
        text = re.sub(
            rb"(/experiments/\d+)/([0-9a-f]{32}/artifacts)", rb"\1/runs/\2", answer.get_data()
        )
        return Response(text, answer.status_code, mimetype=answer.mimetype)

    def _over_limits(self, request: Request, sub: str, said: Any) -> Response | None:
        given = [said] if sub.endswith("set-tag") else said.get("tags", [])
        names = {tag["key"] for tag in given}
        if any(len(t["key"]) > KEY or len(t.get("value") or "") > VALUE for t in given):
            return fail(400, "UserError", f"a tag's key is over {KEY} or its value over {VALUE}")
        if run_id := said.get("run_id"):
            names |= self._tags_of(request, run_id)
        if given and len(names) > TAGS:
            return fail(400, "UserError", f"a run has at most {TAGS} tags, not {len(names)}")
        return None

    def _tags_of(self, request: Request, run_id: str) -> set[str]:
        asking = Request({**request.environ, "REQUEST_METHOD": "GET"})
        query = {"QUERY_STRING": f"run_id={run_id}"}
        found = self._ask(asking, "/api/2.0/mlflow/runs/get", b"", query).get_json()
        return {tag["key"] for tag in found.get("run", {}).get("data", {}).get("tags", ())}

    def _ask(
        self, request: Request, sub: str, body: bytes, more: dict[str, str] | None = None
    ) -> Response:
        environ = {
            **request.environ,
            "SCRIPT_NAME": "",
            "PATH_INFO": sub,
            "HTTP_HOST": "localhost",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
            **(more or {}),
        }
        return Response.from_app(self._mlflow, environ, buffered=True)


def _as_kept(sub: str, said: Any) -> Any:
    if not sub.endswith("/runs/create"):
        return said
    # Azure/azure-sdk-for-python#45207: dropped by create, kept by set-tag.
    dropped = ("mlflow.source.name", "mlflow.source.type")
    return {**said, "tags": [t for t in said.get("tags", []) if t["key"] not in dropped]}


def _mlflow(root: Path) -> Any:
    """MLflow's application on a store in `root`; this process stays the client that it was."""
    before = {name: os.environ.get(name) for name in SERVER + CLIENT}
    values = (f"sqlite:///{root}/mlflow.db", f"azureml://{HOST}/mlflow/v2.0{SCOPE}/experiments")
    os.environ.update(zip(SERVER, values, strict=True))
    from mlflow.server import app, handlers  # after the environment: it is read at import
    from mlflow.tracking._model_registry import utils as registry
    from mlflow.tracking._tracking_service import utils as tracking

    uris = tracking._tracking_uri, registry._registry_uri
    handlers._tracking_store = handlers._model_registry_store = None
    # Each of the two points this process at the store.
    handlers._get_tracking_store()
    handlers._get_model_registry_store()
    tracking._tracking_uri, registry._registry_uri = uris
    for name, value in before.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
    return app.wsgi_app
