"""GitHub custom deployment protection rule: a webhook in, a review of the deployment out.

https://docs.github.com/actions/how-tos/deploy/configure-and-manage-deployments/create-custom-protection-rules
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial
from typing import Any

import jwt
from flask import Response, request
from marshmallow import ValidationError, fields, post_load, validate

from mlflow_evidence_plugin.errors import BadInput, CallbackFailed, CallbackRefused
from mlflow_evidence_plugin.storage import Principal

from ..auth import service
from ..contract import Blueprint, problems
from ..schemas import AcceptedSchema, GitHubSchema
from .asking import Verdict
from .mapping import Check, CheckOptions, by_place, place, unknown_place
from .options import SecretFile, TargetOptions, address, globs, minutes, principal, target
from .outgoing import Outgoing, Target
from .owed import Owed, begin
from .runtime import Delivery, consumers, let_in
from .signatures import of_hex
from .webhooks import body, header, payload, signed_by, told

bp = Blueprint("github", __name__, description="Deployment protection rules of GitHub")

NAME = "github"
SCHEMES = {"github": header("X-Hub-Signature-256", "sha256=, and the body's HMAC-SHA256 in hex")}
COMMENT_LIMIT = 1024
READABLE = ("ref", "task", "description")
_DELIVERY = re.compile(r"[\w-]{1,64}", re.ASCII)
_API = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}


@dataclass(frozen=True)
class GitHub:
    """An App at a GitHub, its keys, and the environments that it protects."""

    target: Target
    app_id: str
    private_key: bytes = field(repr=False)
    secret: bytes = field(repr=False)
    principal: Principal
    checks: dict[tuple[str, ...], Check]
    wait_minutes: int

    def token(self, now: datetime) -> str:
        """Who the App says it is: good for nine minutes, from one ago, since clocks differ."""
        at = int(now.timestamp())
        claims = {"iat": at - 60, "exp": at + 540, "iss": self.app_id}
        return jwt.encode(claims, self.private_key, algorithm="RS256")


class GitHubCheckOptions(CheckOptions):
    """`[[github.checks]]`: an environment of a repository."""

    repository = fields.String(required=True, validate=validate.Regexp(r"^[\w.-]+/[\w.-]+\Z"))
    environment = fields.String(required=True, validate=validate.Length(1, 255))


class GitHubOptions(TargetOptions):
    """`[github]` of the consumers file."""

    url = fields.String(load_default="https://api.github.com", validate=address)
    app_id = fields.String(required=True, validate=validate.Regexp(r"^[\w.-]{1,64}\Z"))
    private_key_file = SecretFile(required=True)
    secret_file = SecretFile(required=True)
    models = globs()
    experiments = globs()
    wait_minutes = minutes()
    checks = fields.List(fields.Nested(GitHubCheckOptions), required=True)

    @post_load
    def _made(self, data: dict[str, Any], **_: Any) -> GitHub:
        for one in data["checks"]:
            if "read" in one and one["read"]["field"] not in READABLE:
                raise ValidationError(f"`read` takes {', '.join(READABLE)}.", "checks")
        made = GitHub(
            target(data),
            data["app_id"],
            data["private_key_file"],
            data["secret_file"],
            principal(NAME, data),
            by_place(Check.of(one, ("repository", "environment")) for one in data["checks"]),
            data["wait_minutes"],
        )
        try:
            made.token(datetime.fromtimestamp(0, timezone.utc))  # to find out whether it signs
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError):
            raise ValidationError("Not an RSA private key in PEM.", "private_key_file") from None
        return made


OPTIONS = GitHubOptions


@bp.post("/checks/github")
@bp.doc(security=signed_by("github"), requestBody=body(GitHubSchema))
@bp.response(202, AcceptedSchema, description="The review of the deployment follows")
@bp.alt_response(200, schema=AcceptedSchema, description="Another event: nothing follows")
@problems(bp, 400, 401, 404, 409, 413, 422, 500, 503)
def receive() -> Response:
    """Take a deployment that waits for its protection rule; approve or reject it when decided."""
    said = consumers().section(NAME, GitHub)
    kind, _, sent = request.headers.get("X-Hub-Signature-256", "").partition("=")
    verified = of_hex(request.get_data(), said.secret, sent if kind == "sha256" else None)
    let_in(said.principal)
    if request.headers.get("X-GitHub-Event") != "deployment_protection_rule":
        return told("ignored")
    found = payload(GitHubSchema(), verified)
    if found["action"] != "requested":
        return told("ignored")
    review = Review.of(said, found)
    name = request.headers.get("X-GitHub-Delivery", "")
    if not _DELIVERY.fullmatch(name):
        raise BadInput("the header X-GitHub-Delivery is missing", "let GitHub send it")
    where = (review.repository, review.environment)
    check = said.checks.get(place(*where))
    read = found["deployment"] or {"ref": found["ref"]}
    asked = check.question(read, said.principal) if check else unknown_place(*where)
    give = partial(review.give, consumers().outgoing, said, service().now)
    owed = Owed((NAME, name), (NAME, *where), said.wait_minutes, asked, give)
    begin(owed, Delivery.take(NAME, name))
    return told("accepted")


@dataclass(frozen=True)
class Review:
    """Where a deployment is reviewed, and for which environment."""

    path: str
    environment: str
    repository: str
    installation: int

    @classmethod
    def of(cls, said: GitHub, found: dict[str, Any]) -> Review:
        """From the webhook; CallbackRefused unless it is a run of that very repository."""
        repository = found["repository"]["full_name"]
        path = said.target.below(found["deployment_callback_url"])
        run = rf"repos/{re.escape(repository)}/actions/runs/[0-9]+/deployment_protection_rule"
        if not re.fullmatch(run, path, re.ASCII | re.IGNORECASE):
            raise CallbackRefused("the callback URL is not that of a run of the repository")
        return cls(path, found["environment"], repository, found["installation"]["id"])

    def give(
        self, outgoing: Outgoing, said: GitHub, now: Callable[[], datetime], verdict: Verdict
    ) -> None:
        """Approve or reject; while it is pending only say so. CallbackFailed."""
        state = {"passed": "approved", "failed": "rejected"}.get(verdict.status)
        document = {"environment_name": self.environment, "comment": verdict.comment(COMMENT_LIMIT)}
        if state is not None:
            document["state"] = state
        token = _installation_token(outgoing, said, self, now())
        outgoing.post(said.target, self.path, document, _API | {"Authorization": f"Bearer {token}"})


def _installation_token(outgoing: Outgoing, said: GitHub, review: Review, now: datetime) -> str:
    """A token for that repository alone, good for an hour; CallbackFailed."""
    path = f"app/installations/{review.installation}/access_tokens"
    wanted = {"repositories": [review.repository.partition("/")[2]]}
    proof = _API | {"Authorization": f"Bearer {said.token(now)}"}
    found = outgoing.post(said.target, path, wanted, proof).json()
    token = found.get("token") if isinstance(found, dict) else None
    if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]{1,4096}", token):
        raise CallbackFailed("GitHub gave no installation token")
    return token
