"""A double of an Azure ML workspace for the unmodified azureml-mlflow client.

/mlflow/v[12].0/subscriptions/../workspaces/<ws>/api/*   tracking and registry
/history/v1.0/..  and  /artifact/v2.0/..                 artifact service, token of a job
/<account>.blob.core.windows.net/<container>/<blob>?sig= block blob storage
/msi/token                                               managed identity of an Azure ML compute
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import socket
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from werkzeug.wrappers import Request, Response

from .answers import Cut, fail, reply
from .artifacts import Artifacts, Blobs
from .names import ACCOUNT, CONTAINER, HOST, SCOPE, SCOPED
from .tracking import Tracking

RUN = rf"/history/v1\.0{SCOPED}/experiment(?:id)?s/[^/]+/runs/([^/]+)"
LIFETIME = 3600
MSI_SECRET = "the-compute-s-own-secret"

Forward = Callable[[], Response]
Meddle = Callable[[Request, Forward], Response]
"""Given a request and a way to ask the workspace, the answer."""


@dataclass(frozen=True)
class Asked:
    """One request and how it was answered."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    status: int


class Workspace:
    """A WSGI application, reached at `origin`. One per process: MLflow keeps its store globally."""

    def __init__(
        self,
        root: Path,
        origin: str = f"https://{HOST}",
        logged_models: bool = False,
        quirks: bool = True,
    ) -> None:
        self.root, self.origin = root.resolve(), origin
        self.root.mkdir(parents=True, exist_ok=True)
        self.asked: list[Asked] = []
        self.meddle: Meddle | None = None
        self.secret = base64.urlsafe_b64encode(secrets.token_bytes(12)).decode()
        """Signs tokens and blob addresses."""
        self._tracking = Tracking(self.root, logged_models, quirks)
        self._artifacts = Artifacts(self.root, self.secret)
        self._blobs = Blobs(self.root, self.secret)

    @property
    def uri(self) -> str:
        """The workspace's tracking URI."""
        return f"azureml://{urlsplit(self.origin).netloc}/mlflow/v1.0{SCOPE}"

    def env(self) -> dict[str, str]:
        """What a client needs, with an identity of a compute."""
        return {
            "MLFLOW_TRACKING_URI": self.uri,
            "AZUREML_CURRENT_CLOUD": "AzureCloud",  # spares a call to management.azure.com
            "MSI_ENDPOINT": f"{self.origin}/msi/token",
            "MSI_SECRET": MSI_SECRET,
        }

    def token(self, lifetime: int = LIFETIME) -> str:
        """A JWT: the client reads `exp` of a job's token and never verifies the signature."""
        head = {"alg": "none", "typ": "JWT"}
        body = {"exp": int(time.time()) + lifetime, "jti": uuid.uuid4().hex}
        return f"{_encoded(head)}.{_encoded(body)}.{self.secret}"

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        request = Request(environ)
        body = request.get_data()
        try:
            answer = self._meddled(request)
        except Exception as error:  # a fault of the double must not pass for an answer of Azure
            answer = fail(500, "DoubleFault", repr(error))
        query, headers = request.query_string.decode(), dict(request.headers.items())
        status = 0 if isinstance(answer, Cut) else answer.status_code
        self.asked.append(Asked(request.method, request.path, query, headers, body, status))
        if isinstance(answer, Cut):
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        return answer(environ, start_response)

    def _meddled(self, request: Request) -> Response:
        if self.meddle is None:
            return self._route(request)
        return self.meddle(request, lambda: self._route(request))

    def _route(self, request: Request) -> Response:
        path = request.path
        if path == "/msi/token":
            return self._identity(request)
        if found := re.match(rf"/(?:{re.escape(ACCOUNT)}/)?{CONTAINER}/(.+)", path):
            return self._blobs.answer(request, found[1])
        if not self._valid(request.headers.get("Authorization", "")):
            return fail(401, "UserError", "Bearer token not provided, or no longer valid.")
        if found := re.match(rf"/mlflow/v[12]\.0{SCOPED}(/.*)", path):
            return self._tracking.answer(request, found[1])
        if re.match(RUN + "/token$", path):
            until = datetime.now(timezone.utc) + timedelta(seconds=LIFETIME)
            return reply({"token": self.token(), "expiryTimeUtc": until.isoformat()})
        if found := re.match(RUN + "/artifacts(.*)", path):
            return self._artifacts.answer(request, f"ExperimentRun/dcid.{found[1]}", found[2])
        if found := re.match(rf"/artifact/v2\.0{SCOPED}/artifacts/([^/]+/[^/]+)(.*)", path):
            return self._artifacts.answer(request, found[1], found[2])
        return fail(404, "NotFound", f"no route {path}")

    def _identity(self, request: Request) -> Response:
        if request.headers.get("secret") != MSI_SECRET:
            return fail(400, "BadRequest", "the secret of the compute is missing")
        until = int(time.time()) + LIFETIME
        told = {"access_token": self.token(), "expires_on": until, "token_type": "Bearer"}
        return reply(told)

    def _valid(self, authorization: str) -> bool:
        _, _, token = authorization.partition(" ")
        parts = token.split(".")
        if len(parts) != 3 or parts[2] != self.secret:
            return False
        padded = parts[1] + "=" * (-len(parts[1]) % 4)
        return json.loads(base64.urlsafe_b64decode(padded))["exp"] > time.time()


def _encoded(document: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()
