"""Azure DevOps, GitHub and GitLab, as far as they ask us and take our answers: over sockets."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import re
import ssl
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import jwt

Said = tuple[int, Any]


@dataclass
class Asked:
    """One request, as it came in."""

    path: str
    headers: dict[str, str]
    body: bytes
    method: str = "POST"

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Double:
    """A server on the loopback. `first` are answers that it gives before it does its work."""

    work: Callable[[Asked], Said]
    asked: list[Asked] = field(default_factory=list)
    first: list[Said | float] = field(default_factory=list)
    url: str = ""

    def answer(self, asked: Asked) -> Said:
        self.asked.append(asked)
        if self.first:
            said = self.first.pop(0)
            if isinstance(said, tuple):
                return said
            time.sleep(said)
        return self.work(asked)


@contextmanager
def listening(double: Double, tls: tuple[str, str] | None = None) -> Iterator[str]:
    """Serve a double: its URL. `tls` are the files of a certificate and its key."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {key.lower(): value for key, value in self.headers.items()}
            status, said = double.answer(Asked(self.path, headers, body, self.command))
            content = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", content.decode())
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(content)
            self.close_connection = True

        do_GET = do_POST

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    scheme, host = ("https", "localhost") if tls else ("http", "127.0.0.1")
    double.url = f"{scheme}://{host}:{server.server_address[1]}"
    try:
        yield double.url
    finally:
        server.shutdown()
        server.server_close()


def send(
    url: str, headers: dict[str, str], body: bytes, timeout: float = 20
) -> tuple[int, dict[str, Any]]:
    """One POST on a connection of its own, which is closed: the status and the document."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=timeout)
    try:
        headers = {"Content-Type": "application/json", "Connection": "close", **headers}
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", target, body, headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


# Azure DevOps

ORGANIZATION = "contoso"
RETRIES = 10
HARD_LIMIT = 20.0
ADVISED = 3.0


@dataclass
class AdoCheck:
    """A check that waits in a pipeline, with its own token, and what became of it."""

    project: str = field(default_factory=lambda: str(uuid.uuid4()))
    plan: str = field(default_factory=lambda: str(uuid.uuid4()))
    job: str = field(default_factory=lambda: str(uuid.uuid4()))
    task: str = field(default_factory=lambda: str(uuid.uuid4()))
    token: str = field(default_factory=lambda: f"eyJ0-{uuid.uuid4().hex}.ado-{uuid.uuid4().hex}")
    results: list[str] = field(default_factory=list)

    def headers(self, plan_url: str) -> dict[str, str]:
        return {
            "PlanUrl": plan_url,
            "ProjectId": self.project,
            "HubName": "checks",
            "PlanId": self.plan,
            "JobId": self.job,
            "TimelineId": str(uuid.uuid4()),
            "TaskInstanceId": self.task,
            "AuthToken": self.token,
        }


class AzureDevOps(Double):
    """Holds checks; takes TaskCompleted only with the check's own token, ids and result."""

    def __init__(self) -> None:
        super().__init__(self.complete)
        self.checks: dict[str, AdoCheck] = {}

    @property
    def plan_url(self) -> str:
        return f"{self.url}/{ORGANIZATION}/"

    def new_check(self) -> AdoCheck:
        made = AdoCheck()
        self.checks[made.plan] = made
        return made

    def complete(self, asked: Asked) -> Said:
        shape = (
            rf"/{ORGANIZATION}/([^/]+)/_apis/distributedtask/hubs/checks/plans/([^/]+)/events"
            r"\?api-version=2\.0-preview\.1"
        )
        found = re.fullmatch(shape, asked.path)
        check = self.checks.get(found[2]) if found else None
        if check is None or found[1] != check.project:
            return 404, {"message": "no such plan"}
        if asked.headers.get("authorization") != f"Bearer {check.token}":
            return 401, {"message": "TF400813"}
        result = asked.json.get("result")
        told = {"name": "TaskCompleted", "taskId": check.task, "jobId": check.job, "result": result}
        if asked.json != told or result not in ("succeeded", "failed"):
            return 400, {"message": "TF400898"}
        check.results.append(result)
        return 200, {}

    def ask(
        self, url: str, check: AdoCheck, token: str, body: dict[str, Any], **headers: str
    ) -> tuple[int, dict[str, Any]]:
        """One call of the check's, cut off as Azure DevOps cuts it off."""
        sent = check.headers(self.plan_url) | {"Authorization": f"Bearer {token}"} | headers
        return send(url, sent, json.dumps(body).encode(), HARD_LIMIT)

    def evaluate(
        self, url: str, token: str, body: dict[str, Any], pause: float = 0.2
    ) -> tuple[bool, int]:
        """A check with completion event ApiResponse: whether it passes, and in how many calls.

        The criterion is `eq(root['status'], 'passed')`; what does not meet it is tried again.
        """
        for calls in range(1, RETRIES + 2):
            _, root = self.ask(url, AdoCheck(), token, body)
            if root.get("status") == "passed":
                return True, calls
            time.sleep(pause)
        return False, calls


# GitHub

GITHUB_LIMIT = 1024


class GitHub(Double):
    """An App's webhook and REST API: knows the App's public key and the tokens that it issued."""

    def __init__(self, secret: str, app_id: str, public_pem: bytes) -> None:
        super().__init__(self.serve)
        self.secret, self.app_id, self.public_pem = secret, app_id, public_pem
        self.installation, self.repository = 4711, "octo/credit-serving"
        self.tokens: list[str] = []
        self.reviews: list[dict[str, Any]] = []

    def serve(self, asked: Asked) -> Said:
        kind, _, token = asked.headers.get("authorization", "").partition(" ")
        if asked.path == f"/app/installations/{self.installation}/access_tokens":
            return self.issue(asked, token if kind == "Bearer" else "")
        if not re.fullmatch(
            rf"/repos/{self.repository}/actions/runs/[0-9]+/deployment_protection_rule", asked.path
        ):
            return 404, {"message": "Not Found"}
        if kind != "Bearer" or token not in self.tokens:
            return 401, {"message": "Bad credentials"}
        return self.review(asked.json)

    def issue(self, asked: Asked, proof: str) -> Said:
        try:
            claims = jwt.decode(proof, self.public_pem, algorithms=["RS256"], issuer=self.app_id)
        except jwt.PyJWTError as error:
            return 401, {"message": f"A JSON web token could not be decoded: {error}"}
        if claims["exp"] - claims["iat"] > 600:
            return 401, {"message": "'Expiration time' claim ('exp') is too far in the future"}
        if asked.json != {"repositories": [self.repository.partition("/")[2]]}:
            return 422, {"message": "wrong repositories"}
        self.tokens.append(f"ghs_{uuid.uuid4().hex}")
        return 201, {"token": self.tokens[-1], "expires_at": "2099-01-01T00:00:00Z"}

    def review(self, said: dict[str, Any]) -> Said:
        known = set(said) <= {"environment_name", "state", "comment"} and "environment_name" in said
        if not known or said.get("state", "approved") not in ("approved", "rejected"):
            return 422, {"message": "Validation Failed"}
        if len(said.get("comment", "")) > GITHUB_LIMIT:
            return 422, {"message": "comment is too long"}
        if any("state" in one for one in self.reviews):
            return 422, {"message": "This gate has been reviewed already"}
        self.reviews.append(said)
        return 204, b""

    def event(self, environment: str = "production", **changes: Any) -> dict[str, Any]:
        """The webhook's payload."""
        run = f"{self.url}/repos/{self.repository}/actions/runs/12345"
        return {
            "action": "requested",
            "environment": environment,
            "event": "push",
            "deployment_callback_url": f"{run}/deployment_protection_rule",
            "deployment": {
                "id": 99,
                "sha": "a" * 40,
                "ref": "main",
                "task": "deploy",
                "payload": {},
                "description": None,
                "environment": environment,
            },
            "pull_requests": [],
            "repository": {"id": 7, "full_name": self.repository, "private": True},
            "installation": {"id": self.installation},
            "sender": {"login": "octocat"},
        } | changes

    def deliver(
        self, url: str, payload: Any, delivery: str | None = None, **headers: str
    ) -> tuple[int, dict[str, Any]]:
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        made = hmac.new(self.secret.encode(), body, hashlib.sha256).hexdigest()
        known = {
            "User-Agent": "GitHub-Hookshot/044aadd",
            "X-GitHub-Event": "deployment_protection_rule",
            "X-GitHub-Delivery": delivery or str(uuid.uuid4()),
            "X-Hub-Signature-256": f"sha256={made}",
        }
        return send(url, known | headers, body, 10)


# GitLab

GITLAB_LIMIT = 255


class GitLab(Double):
    """A project with a merge request, an external status check, and a blocked deployment.

    Each status is a new one, however often it is said, and the newest of a head counts
    (`status_check_responses.create!` in ee/lib/api/status_checks.rb, `response_for` of the check).
    """

    def __init__(self, secret: str, webhook_key: bytes, token: str) -> None:
        super().__init__(self.serve)
        self.secret, self.webhook_key, self.token = secret, webhook_key, token
        self.project, self.head, self.check = 6, "b" * 40, {"id": 1, "name": "Model evidence"}
        self.request: dict[str, Any] = {
            "iid": 4,
            "id": 144,
            "source_branch": "release",
            "target_branch": "main",
            "title": "Release the model",
            "state": "opened",
        }
        self.description = "Why and how."
        self.responses: list[dict[str, Any]] = []
        self.approvals: list[dict[str, Any]] = []

    def serve(self, asked: Asked) -> Said:
        if asked.headers.get("private-token") != self.token:
            return 401, {"message": "401 Unauthorized"}
        base = f"/api/v4/projects/{self.project}"
        what = (asked.method, asked.path.removeprefix(base))
        if what == ("GET", "/merge_requests/4"):
            return 200, {**self.request, "description": self.description, "sha": self.head}
        if what == ("POST", "/merge_requests/4/status_check_responses"):
            return self.respond(asked.json)
        if what == ("POST", "/deployments/15/approval"):
            return self.approve(asked.json)
        return 404, {"message": "404 Not found"}

    def respond(self, said: dict[str, Any]) -> Said:
        if set(said) != {"sha", "external_status_check_id", "status"}:
            return 400, {"error": "parameters"}
        if said["status"] not in ("passed", "failed", "pending"):
            return 400, {"error": "status does not have a valid value"}
        if said["external_status_check_id"] != self.check["id"]:
            return 404, {"message": "404 Not found"}
        if said["sha"] != self.head:
            return 409, {"message": f"SHA does not match HEAD of source branch: {self.head}"}
        self.responses.append(said)
        return 201, {"id": len(self.responses)}

    def approve(self, said: dict[str, Any]) -> Said:
        if said.get("status") not in ("approved", "rejected") or self.approvals:
            return 400, {"message": "The deployment is not blocked."}
        if len(said.get("comment", "")) > GITLAB_LIMIT:
            return 400, {"message": "Comment is too long (maximum is 255 characters)"}
        self.approvals.append(said)
        return 201, {"status": said["status"]}

    def merge_request(self, **changes: Any) -> dict[str, Any]:
        """Change the merge request: what GitLab then sends."""
        self.request |= changes
        said = {
            **self.request,
            "description": self.description,
            "last_commit": {"id": self.head, "message": "Release"},
        }
        return {
            "object_kind": "merge_request",
            "event_type": "merge_request",
            "user": {"id": 1, "username": "root"},
            "project": {"id": self.project, "path_with_namespace": "risk/credit"},
            "object_attributes": said,
            "external_approval_rule": {**self.check, "external_url": "https://evidence"},
        }

    def deployment(self, **changes: Any) -> dict[str, Any]:
        return {
            "object_kind": "deployment",
            "status": "blocked",
            "status_changed_at": "2026-05-01 08:00:00 +0000",
            "deployment_id": 15,
            "deployable_id": 796,
            "environment": "production",
            "environment_tier": "production",
            "project": {"id": self.project, "path_with_namespace": "risk/credit"},
            "ref": "main",
            "short_sha": "bbbbbbbb",
            "commit_title": "Release",
        } | changes

    def check_status(self, url: str, payload: Any, **headers: str) -> tuple[int, dict[str, Any]]:
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        made = hmac.new(self.secret.encode(), body, hashlib.sha256).hexdigest()
        return send(url, {"X-Gitlab-Signature": made} | headers, body, 10)

    def hook(
        self, url: str, payload: Any, name: str | None = None, at: int | None = None, **headers: str
    ) -> tuple[int, dict[str, Any]]:
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        name, when = name or str(uuid.uuid4()), str(at or int(time.time()))
        signed = f"{name}.{when}.".encode() + body
        made = base64.b64encode(hmac.new(self.webhook_key, signed, hashlib.sha256).digest())
        known = {
            "X-Gitlab-Event": "Deployment Hook",
            "webhook-id": name,
            "webhook-timestamp": when,
            "webhook-signature": f"v1,{made.decode()}",
        }
        return send(url, known | headers, body, 10)
