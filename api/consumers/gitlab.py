"""GitLab: external status checks of merge requests, and approvals of blocked deployments.

https://docs.gitlab.com/user/project/merge_requests/status_checks/
https://docs.gitlab.com/ci/environments/deployment_approvals/
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from flask import Response, request
from marshmallow import ValidationError, fields, post_load, validate

from mlflow_evidence_plugin.errors import BadInput, CallbackFailed, Unauthorized
from mlflow_evidence_plugin.storage import Principal

from ..auth import service
from ..contract import Blueprint, problems
from ..schemas import AcceptedSchema, GitLabDeploymentSchema, GitLabMergeRequestSchema
from .asking import FAILED, PENDING, Question, Verdict
from .mapping import Check, CheckOptions, by_place, place, unknown_place
from .options import (
    HeaderSecretFile,
    SecretFile,
    TargetOptions,
    WebhookSecretFile,
    globs,
    minutes,
    principal,
    target,
)
from .outgoing import Outgoing, Target
from .owed import Owed, begin
from .runtime import Delivery, consumers, let_in
from .signatures import Verified, of_hex, of_standard_webhook
from .webhooks import body, header, payload, signed_by, told

bp = Blueprint("gitlab", __name__, description="Status checks and deployments of GitLab")

NAME = "gitlab"
SCHEMES = {
    "gitlabCheck": header("X-Gitlab-Signature", "the body's HMAC-SHA256 in hex"),
    "gitlabWebhook": header(
        "webhook-signature", "v1, and the HMAC-SHA256 of id.timestamp.body in base64"
    ),
}
COMMENT_LIMIT = 255
MERGE_REQUEST_FIELDS = ("source_branch", "target_branch", "title")
DEPLOYMENT_FIELDS = ("ref", "commit_title")
READ_BYTES = 8 * 1024 * 1024
"""Of a merge request: its description alone may have 2^20 characters, each in six bytes of JSON."""

_WEBHOOK_ID = re.compile(r"[\w.-]{1,128}", re.ASCII)


@dataclass(frozen=True)
class GitLab:
    """A GitLab, the token to answer it with, and what it asks about."""

    target: Target
    token: bytes = field(repr=False)
    secret: bytes | None = field(repr=False)
    webhook_key: bytes | None = field(repr=False)
    principal: Principal
    merge_requests: dict[tuple[str, ...], Check]
    deployments: dict[tuple[str, ...], Check]
    wait_minutes: int

    def post(self, outgoing: Outgoing, path: str, document: dict[str, Any]) -> None:
        """Answer; CallbackFailed."""
        outgoing.post(self.target, f"api/v4/{path}", document, self._proof)

    def get(self, outgoing: Outgoing, path: str) -> dict[str, Any]:
        """Look at something; CallbackFailed."""
        found = outgoing.get(self.target, f"api/v4/{path}", self._proof, READ_BYTES).json()
        if not isinstance(found, dict):
            raise CallbackFailed("GitLab's answer cannot be read")
        return found

    @property
    def _proof(self) -> dict[str, str]:
        return {"PRIVATE-TOKEN": self.token.decode()}


class MergeRequestOptions(CheckOptions):
    """`[[gitlab.merge_requests]]`: an external status check of a project, by its name."""

    project = fields.String(required=True, validate=validate.Length(1, 1024))
    check = fields.String(required=True, validate=validate.Length(1, 255))


class DeploymentOptions(CheckOptions):
    """`[[gitlab.deployments]]`: a protected environment of a project."""

    project = fields.String(required=True, validate=validate.Length(1, 1024))
    environment = fields.String(required=True, validate=validate.Length(1, 255))


class GitLabOptions(TargetOptions):
    """`[gitlab]` of the consumers file."""

    token_file = HeaderSecretFile(required=True)
    secret_file = SecretFile(load_default=None)
    webhook_key_file = WebhookSecretFile(load_default=None)
    models = globs()
    experiments = globs()
    wait_minutes = minutes()
    merge_requests = fields.List(fields.Nested(MergeRequestOptions), load_default=list)
    deployments = fields.List(fields.Nested(DeploymentOptions), load_default=list)

    @post_load
    def _made(self, data: dict[str, Any], **_: Any) -> GitLab:
        needed = {"merge_requests": "secret_file", "deployments": "webhook_key_file"}
        readable = {"merge_requests": MERGE_REQUEST_FIELDS, "deployments": DEPLOYMENT_FIELDS}
        for kind, secret in needed.items():
            if data[kind] and data[secret] is None:
                raise ValidationError(f"Needed for {kind}.", secret)
            for one in data[kind]:
                if "read" in one and one["read"]["field"] not in readable[kind]:
                    raise ValidationError(f"`read` takes {', '.join(readable[kind])}.", kind)
        return GitLab(
            target(data),
            data["token_file"],
            data["secret_file"],
            data["webhook_key_file"],
            principal(NAME, data),
            by_place(Check.of(one, ("project", "check")) for one in data["merge_requests"]),
            by_place(Check.of(one, ("project", "environment")) for one in data["deployments"]),
            data["wait_minutes"],
        )


OPTIONS = GitLabOptions


@bp.post("/checks/gitlab/merge-requests")
@bp.doc(security=signed_by("gitlabCheck"), requestBody=body(GitLabMergeRequestSchema))
@bp.response(202, AcceptedSchema, description="The status follows")
@bp.alt_response(200, schema=AcceptedSchema, description="Nothing follows")
@problems(bp, 400, 401, 404, 413, 422, 500, 503)
def merge_request() -> Response:
    """Take a merge request that waits for its external status check; set it when decided."""
    said = consumers().section(NAME, GitLab)
    sent = request.headers.get("X-Gitlab-Signature")
    verified = of_hex(request.get_data(), _needed(said.secret), sent)
    let_in(said.principal)
    found = payload(GitLabMergeRequestSchema(), verified)
    request_, rule = found["object_attributes"], found["external_approval_rule"]
    if request_["state"] not in ("opened", "reopened", "locked"):
        return told("ignored")
    where = (found["project"]["path_with_namespace"], rule["name"])
    check = said.merge_requests.get(place(*where))
    about = MergeRequest.of(found, check.field if check else None)
    asked = _asked(said, check, where, request_)
    give = partial(about.give, consumers().outgoing, said)
    key = (NAME, where, about)
    begin(Owed(key, (NAME, *where), said.wait_minutes, asked, give, anew=True))
    return told("accepted")


@dataclass(frozen=True)
class MergeRequest:
    """A merge request as it was asked about: its head, and the field that is read, if one is.

    GitLab holds statuses against a head, and the newest counts. Title and target can be changed
    under a head: so a verdict is given only on what the merge request still says.
    """

    path: str
    rule: int
    head: str
    field: str | None
    text: str

    @classmethod
    def of(cls, found: dict[str, Any], field_: str | None) -> MergeRequest:
        """From the request."""
        about, rule = found["object_attributes"], found["external_approval_rule"]
        path = f"projects/{found['project']['id']}/merge_requests/{about['iid']}"
        text = about[field_] if field_ else None
        return cls(path, rule["id"], about["last_commit"]["id"], field_, text or "")

    def give(self, outgoing: Outgoing, said: GitLab, verdict: Verdict) -> None:
        """Set the status; CallbackFailed, also when something else is asked by now."""
        # What is no pass is told unseen as well: an older pass may stand there.
        self._look(outgoing, said, must=verdict.passed)
        try:
            self._set(outgoing, said, verdict.status)
        finally:
            if verdict.passed:
                self._look_back(outgoing, said)

    def _look(self, outgoing: Outgoing, said: GitLab, must: bool = True) -> None:
        """CallbackFailed if something else is asked by now; or if it cannot be seen, but must."""
        try:
            now = said.get(outgoing, self.path)
        except CallbackFailed:
            if must:
                raise
            return
        text = now.get(self.field) if self.field else None
        if (now.get("sha"), text or "") != (self.head, self.text):
            raise CallbackFailed(f"{self.path} has another head, or says something else, by now")

    def _look_back(self, outgoing: Outgoing, said: GitLab) -> None:
        """Take a pass back if the merge request was changed while GitLab took it; CallbackFailed.

        The verdict on what it says now may have been given before: then the pass would count.
        """
        try:
            self._look(outgoing, said)
        except CallbackFailed:
            self._set(outgoing, said, FAILED)
            raise

    def _set(self, outgoing: Outgoing, said: GitLab, status: str) -> None:
        document = {"sha": self.head, "external_status_check_id": self.rule, "status": status}
        said.post(outgoing, f"{self.path}/status_check_responses", document)


@bp.post("/checks/gitlab/deployments")
@bp.doc(security=signed_by("gitlabWebhook"), requestBody=body(GitLabDeploymentSchema))
@bp.response(202, AcceptedSchema, description="The approval or rejection follows")
@bp.alt_response(200, schema=AcceptedSchema, description="Another event: nothing follows")
@problems(bp, 400, 401, 404, 409, 413, 422, 500, 503)
def deployment() -> Response:
    """Take a deployment that is blocked; approve or reject it when decided."""
    said = consumers().section(NAME, GitLab)
    name, verified = _standard_webhook(said)
    let_in(said.principal)
    if request.headers.get("X-Gitlab-Event") != "Deployment Hook":
        return told("ignored")
    found = payload(GitLabDeploymentSchema(), verified)
    if found["status"] != "blocked":
        return told("ignored")
    where = (found["project"]["path_with_namespace"], found["environment"])
    outgoing = consumers().outgoing
    path = f"projects/{found['project']['id']}/deployments/{found['deployment_id']}/approval"

    def give(verdict: Verdict) -> None:
        if verdict.status != PENDING:
            status = "approved" if verdict.passed else "rejected"
            comment = verdict.comment(COMMENT_LIMIT)
            said.post(outgoing, path, {"status": status, "comment": comment})

    asked = _asked(said, said.deployments.get(place(*where)), where, found)
    owed = Owed((NAME, path), (NAME, *where), said.wait_minutes, asked, give)
    begin(owed, Delivery.take(NAME, name))
    return told("accepted")


def _standard_webhook(said: GitLab) -> tuple[str, Verified]:
    """A delivery's id and its body; Unauthorized."""
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    name, at, sent = (request.headers.get(one, "") for one in names)
    key, now = _needed(said.webhook_key), service().now()
    verified = of_standard_webhook(request.get_data(), key, (name, at, sent), now)
    if not _WEBHOOK_ID.fullmatch(name):
        raise BadInput("the header webhook-id is not as it should be", "let GitLab send it")
    return name, verified


def _needed(secret: bytes | None) -> bytes:
    if secret is None:
        raise Unauthorized("no secret for this is configured", "name it in the consumers file")
    return secret


def _asked(
    said: GitLab, check: Check | None, where: tuple[str, str], found: dict[str, Any]
) -> Question | Verdict:
    return check.question(found, said.principal) if check else unknown_place(*where)
