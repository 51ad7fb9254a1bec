"""GitLab: status checks of merge requests, and blocked deployments."""

from __future__ import annotations

import time
import uuid

import pytest

from tests.consumers.doubles import GITLAB_LIMIT, send
from tests.faults.processes import until

CHECK, HOOK = "gitlab/merge-requests", "gitlab/deployments"


@pytest.fixture
def ask(gitlab, served):
    return lambda payload, **more: gitlab.check_status(served.check(CHECK), payload, **more)


@pytest.fixture
def hook(gitlab, served):
    return lambda payload, *more, **headers: gitlab.hook(
        served.check(HOOK), payload, *more, **headers
    )


def status(gitlab, seconds=20):
    """The status that ends the wait."""
    return until(
        lambda: next((r for r in gitlab.responses if r["status"] != "pending"), None), seconds
    )


def branch(model, version):
    return {"source_branch": f"promote/{model}-{version}"}


def test_a_good_version_passes(gitlab, ask, world):
    assert ask(gitlab.merge_request(**branch("credit", world.v_good)))[0] == 202
    assert status(gitlab) == {
        "sha": gitlab.head,
        "external_status_check_id": 1,
        "status": "passed",
    }


def test_a_bad_version_fails(gitlab, ask, world):
    ask(gitlab.merge_request(**branch("credit", world.v_regressed)))
    assert status(gitlab)["status"] == "failed"


def test_it_is_pending_until_there_is_evidence(gitlab, waiting, late):
    payload = gitlab.merge_request(**branch(late.model, late.version))
    assert gitlab.check_status(waiting.check(CHECK), payload)[0] == 202
    until(lambda: gitlab.responses, 20)
    assert [one["status"] for one in gitlab.responses] == ["pending"]
    late.capture()
    assert status(gitlab)["status"] == "passed"


@pytest.mark.parametrize(
    "changes",
    [{"source_branch": "feature"}, branch("vault", "1"), branch("credit", "999")],
    ids=["no-model", "foreign", "no-such-version"],
)
def test_what_is_unknown_fails(gitlab, ask, changes):
    ask(gitlab.merge_request(**changes))
    assert status(gitlab)["status"] == "failed"


def test_a_check_or_project_that_nobody_named_fails(gitlab, ask, world):
    payload = gitlab.merge_request(**branch("credit", world.v_good))
    payload["external_approval_rule"]["name"] = "Another check"
    ask(payload)
    assert status(gitlab)["status"] == "failed"


def test_a_merge_request_that_is_closed_is_left_alone(gitlab, ask):
    assert ask(gitlab.merge_request(state="merged")) == (200, {"status": "ignored"})


def test_a_head_that_has_moved_on_is_refused_by_gitlab_and_passes_nothing(
    gitlab, ask, world, caplog
):
    payload = gitlab.merge_request(**branch("credit", world.v_good))
    gitlab.head = "c" * 40
    ask(payload)
    until(lambda: "answered HTTP 409" in caplog.text, 20)
    assert gitlab.responses == []
    assert len(gitlab.asked) == 1


def test_what_gitlab_knows_already_is_not_said_again_and_again(gitlab, ask, world, served, caplog):
    payload = gitlab.merge_request(**branch("credit", world.v_good))
    ask(payload)
    status(gitlab)
    until(lambda: not len(served.consumers.in_flight), 20)
    ask(payload)
    until(lambda: "answered HTTP 422" in caplog.text, 20)
    assert len(gitlab.asked) == 2


def test_a_gitlab_that_fails_is_tried_again(gitlab, ask, world):
    gitlab.first = [(502, {}), (503, {})]
    ask(gitlab.merge_request(**branch("credit", world.v_good)))
    assert status(gitlab)["status"] == "passed"


@pytest.mark.parametrize("made", [None, "", "0" * 64, "sha256=" + "0" * 64])
def test_a_forged_check_is_refused_before_it_is_parsed(gitlab, served, made):
    headers = {} if made is None else {"X-Gitlab-Signature": made}
    for body in (b"{}", b"{no json"):
        got, said = send(served.check(CHECK), headers, body)
        assert (got, said["code"]) == (401, "unauthorized")
    assert gitlab.asked == []


@pytest.mark.parametrize(
    ("body", "code"),
    [(b"{no json", 422), (b"[1]", 422), (b"{}", 422), (b'"' + b"x" * (2 << 20) + b'"', 413)],
    ids=["no-json", "list", "empty", "huge"],
)
def test_a_signed_body_that_is_no_event_is_refused(gitlab, ask, hook, body, code):
    assert ask(body)[0] == code
    assert hook(body)[0] == code
    assert gitlab.asked == []


# Deployments


def test_a_good_version_is_deployed(gitlab, hook, world):
    assert hook(gitlab.deployment(ref=f"v{world.v_good}"))[0] == 202
    (said,) = until(lambda: gitlab.approvals, 20)
    assert said["status"] == "approved"
    assert said["comment"].startswith("**Allowed**")


def test_a_bad_version_is_rejected_with_reasons(gitlab, hook, world):
    hook(gitlab.deployment(ref=f"v{world.v_regressed}"))
    (said,) = until(lambda: gitlab.approvals, 20)
    assert said["status"] == "rejected"
    assert len(said["comment"]) <= GITLAB_LIMIT


@pytest.mark.parametrize(
    "changes",
    [{"ref": "main"}, {"ref": "v999"}, {"environment": "moon"}, {"ref": None}],
    ids=["no-version", "no-such-version", "unknown-environment", "no-ref"],
)
def test_what_is_unknown_is_rejected(gitlab, hook, changes):
    hook(gitlab.deployment(**changes))
    (said,) = until(lambda: gitlab.approvals, 20)
    assert said["status"] == "rejected"


@pytest.mark.parametrize("state", ["running", "success", "failed", "approved", "rejected"])
def test_other_states_of_a_deployment_are_ignored(gitlab, hook, world, state):
    payload = gitlab.deployment(ref=f"v{world.v_good}", status=state)
    assert hook(payload) == (200, {"status": "ignored"})
    assert gitlab.asked == []


def test_other_events_are_ignored(gitlab, hook):
    assert hook({"object_kind": "push"}, **{"X-Gitlab-Event": "Push Hook"})[0] == 200


def test_a_delivery_counts_once(gitlab, hook, world):
    name = str(uuid.uuid4())
    payload = gitlab.deployment(ref=f"v{world.v_good}")
    assert hook(payload, name)[0] == 202
    until(lambda: gitlab.approvals, 20)
    got, said = hook(payload, name)
    assert (got, said["code"]) == (409, "conflict")


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_delivery_of_another_time_is_refused(gitlab, hook, minutes):
    at = int(time.time()) + 60 * minutes
    assert hook(gitlab.deployment(), None, at)[0] == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"webhook-signature": "v1," + "A" * 43 + "="},
        {"webhook-signature": ""},
        {"webhook-signature": "v2,x"},
        {"webhook-id": "another"},
        {"webhook-timestamp": "1"},
        {"webhook-timestamp": "now"},
    ],
    ids=["forged", "none", "version", "id", "time", "no-time"],
)
def test_a_forged_hook_is_refused(gitlab, hook, headers):
    assert hook(gitlab.deployment(), **headers)[0] == 401
    assert gitlab.asked == []


def test_one_of_several_signatures_is_enough(gitlab, served, world):
    """While a key is exchanged, GitLab may sign with both."""
    import base64
    import hashlib
    import hmac
    import json

    body = json.dumps(gitlab.deployment(ref=f"v{world.v_good}")).encode()
    at = str(int(time.time()))
    signed = f"x1.{at}.".encode() + body
    made = base64.b64encode(hmac.new(gitlab.webhook_key, signed, hashlib.sha256).digest()).decode()
    headers = {
        "X-Gitlab-Event": "Deployment Hook",
        "webhook-id": "x1",
        "webhook-timestamp": at,
        "webhook-signature": f"v1,AAAA v1,{made}",
    }
    assert send(served.check(HOOK), headers, body)[0] == 202
    until(lambda: gitlab.approvals, 20)


def test_the_token_is_not_logged(gitlab, ask, world, caplog):
    caplog.set_level("DEBUG")
    ask(gitlab.merge_request(**branch("credit", world.v_good)))
    status(gitlab)
    assert gitlab.token not in caplog.text
    assert gitlab.secret not in caplog.text
