"""Azure DevOps "Invoke REST API" check: the answer at once, or later by a callback.

https://learn.microsoft.com/azure/devops/pipelines/process/invoke-checks
"""

from __future__ import annotations

import json
import queue
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from flask import Response
from marshmallow import fields, post_load, validate

from mlflow_evidence_plugin.errors import BadInput, CallbackRefused, EvidenceError
from mlflow_evidence_plugin.policy import Decision, denial
from mlflow_evidence_plugin.policy.decision import Reason, rfc3339
from mlflow_evidence_plugin.record import Subject
from mlflow_evidence_plugin.service import Evidence

from ..address import own_address
from ..auth import SECURITY, caller, environment_of, requires, service
from ..contract import Blueprint, problems
from ..schemas import AcceptedSchema, AzureDevOpsHeaders, CheckArgs, DecisionSchema
from .asking import PENDING, Question, Verdict, details
from .options import Options, TargetOptions, minutes, target
from .outgoing import Outgoing, Target
from .owed import Owed, begin
from .runtime import consumers

bp = Blueprint("azure-devops", __name__, description="Checks of Azure DevOps")

NAME = "azure_devops"
SCHEMES: dict[str, Any] = {}
ANSWER_SECONDS = 2.5
"""Azure DevOps advises to answer within 3 seconds; what takes longer is asked for again."""

EVENTS = "{project_id}/_apis/distributedtask/hubs/{hub_name}/plans/{plan_id}/events"


@dataclass(frozen=True)
class AzureDevOps:
    """The organizations or collections that callbacks may go to."""

    organizations: tuple[Target, ...]
    wait_minutes: int


class AzureDevOpsOptions(Options):
    """`[azure_devops]` of the consumers file."""

    organizations = fields.List(
        fields.Nested(TargetOptions), required=True, validate=validate.Length(1, 64)
    )
    wait_minutes = minutes()

    @post_load
    def _made(self, data: dict[str, Any], **_: Any) -> AzureDevOps:
        return AzureDevOps(tuple(map(target, data["organizations"])), data["wait_minutes"])


OPTIONS = AzureDevOpsOptions


@bp.post("/checks/azure-devops")
@requires("evidence:read", verdicts=True)
@bp.arguments(CheckArgs)
@bp.doc(security=SECURITY)
@bp.response(200, DecisionSchema)
@problems(bp, 400, 401, 403, 404, 413, 422, 500, 503)
def check(args: dict[str, Any]) -> Response:
    """Answer an "Invoke REST API" check (completion event ApiResponse) within three seconds.

    The criterion of success is `eq(root['status'], 'passed')`. What takes longer is `pending`.
    """
    evidence, question = service(), _question(args)
    answer = _soon(lambda: question.decided(evidence))
    found, at = answer or (_still_deciding(evidence, question), rfc3339(evidence.now()))
    document = found.answer(at, details(found, own_address()))
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    return Response(text, mimetype="application/json", headers={"Cache-Control": "no-store"})


@bp.post("/checks/azure-devops/callback")
@requires("evidence:read", verdicts=True)
@bp.arguments(CheckArgs)
@bp.arguments(AzureDevOpsHeaders, location="headers")
@bp.doc(security=SECURITY)
@bp.response(200, AcceptedSchema, description="The verdict follows: TaskCompleted")
@problems(bp, 400, 401, 403, 404, 413, 422, 500, 503)
def check_later(args: dict[str, Any], headers: dict[str, str]) -> dict[str, str]:
    """Answer an "Invoke REST API" check (completion event Callback) when there is a verdict.

    While evidence is awaited it is asked for again, for so long as the consumers file says; then
    the check fails.
    """
    shared, question = consumers(), _question(args)
    said = shared.section(NAME, AzureDevOps)
    check = Check(_organization(said, headers["plan_url"]), headers)
    give = partial(check.complete, shared.outgoing)
    where = ("azure-devops", question.subject, question.environment or "")
    begin(Owed((check.key, question), where, said.wait_minutes, question, give))
    return {"status": "accepted"}


@dataclass(frozen=True)
class Check:
    """A check that waits. Its token is in here, and nowhere else."""

    organization: Target
    headers: dict[str, str] = field(repr=False)

    @property
    def key(self) -> tuple[str, ...]:
        """Which check it is."""
        names = ("project_id", "plan_id", "job_id", "task_instance_id")
        return (NAME, self.organization.url, *(self.headers[name].lower() for name in names))

    def complete(self, outgoing: Outgoing, verdict: Verdict) -> None:
        """Complete the check once there is a verdict; CallbackFailed."""
        if verdict.status == PENDING:
            return
        document = {
            "name": "TaskCompleted",
            "taskId": self.headers["task_instance_id"],
            "jobId": self.headers["job_id"],
            "result": "succeeded" if verdict.passed else "failed",
        }
        token = {"Authorization": f"Bearer {self.headers['auth_token']}"}
        path = EVENTS.format(**self.headers) + "?api-version=2.0-preview.1"
        outgoing.post(self.organization, path, document, token)


def _organization(said: AzureDevOps, plan_url: str) -> Target:
    """The organization that a check is of: exactly one that is listed; CallbackRefused."""
    refused = None
    for one in said.organizations:
        try:
            if one.below(plan_url) == "":
                return one
        except CallbackRefused as error:
            refused = error
    raise refused or CallbackRefused("the PlanUrl is not an organization that is listed here")


def _question(args: dict[str, Any]) -> Question:
    if ("version" in args) == ("alias" in args):
        raise BadInput("name the version or an alias", "one of them, and not both")
    pinned = (args.get("digest"), args.get("policy"))
    named = (args.get("version"), args.get("alias"), environment_of(args.get("environment")))
    return Question(args["model"], *named, caller(), pinned)


def _soon(work: Callable[[], tuple[Decision, str]]) -> tuple[Decision, str] | None:
    """What the work gives, or None when it takes too long: then it ends beside the request."""
    done: queue.SimpleQueue[tuple[Decision, str] | EvidenceError | None] = queue.SimpleQueue()

    def run() -> None:
        found: tuple[Decision, str] | EvidenceError | None = None
        try:
            found = work()
        except EvidenceError as error:
            found = error
        finally:
            done.put(found)

    consumers().at_once.begin(object(), run, NAME)
    try:
        found = done.get(timeout=ANSWER_SECONDS)
    except queue.Empty:
        return None
    if isinstance(found, EvidenceError):
        raise found
    if found is None:
        raise RuntimeError("the decision could not be made")  # its cause is in the log
    return found


def _still_deciding(evidence: Evidence, question: Question) -> Decision:
    policy, asked = evidence.deciding.asked(question.environment)
    version = question.version or f"@{question.alias}"
    subject = Subject(evidence.capturing.store_id, model=question.model, version=version)
    reason: Reason = {
        "code": "still-deciding",
        "found": f"no verdict within {ANSWER_SECONDS} s",
        "asked": "a verdict",
        "mend": "ask again, or use the callback",
    }
    return denial(policy.digest, asked.name, subject, PENDING, [reason], evidence.now())
