"""GitLab: status checks of merge requests, and blocked deployments."""

from __future__ import annotations

import time
import uuid

import pytest

from tests.consumers.doubles import GITLAB_LIMIT, send
from tests.faults.processes import until

GONE = "has another head, or says something else, by now"
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


def said(gitlab):
    """Every status, in the order in which it was said: the last one counts."""
    return [one["status"] for one in gitlab.responses]


def now(gitlab, **changes):
    """What GitLab answers when it is asked for the merge request."""
    return {**gitlab.request, "description": "", "sha": gitlab.head, **changes}


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


def test_of_a_head_that_has_moved_on_nothing_is_said(gitlab, ask, world, caplog):
    payload = gitlab.merge_request(**branch("credit", world.v_good))
    gitlab.head = "c" * 40
    ask(payload)
    until(lambda: GONE in caplog.text, 20)
    assert said(gitlab) == []


def test_a_head_that_moves_on_after_the_look_is_refused_by_gitlab(gitlab, ask, world, caplog):
    gitlab.first = [(200, now(gitlab, **branch("credit", world.v_good)))]
    payload = gitlab.merge_request(**branch("credit", world.v_good))
    gitlab.head = "c" * 40
    ask(payload)
    until(lambda: "answered HTTP 409" in caplog.text, 20)
    assert gitlab.responses == []


def test_what_is_asked_again_is_said_again(gitlab, ask, world, served):
    payload = gitlab.merge_request(**branch("credit", world.v_good))
    for count in (1, 2):
        ask(payload)
        until(lambda: not len(served.consumers.in_flight), 20)
        assert said(gitlab) == ["passed"] * count


# A merge request that is changed while the verdict on it is found: its head stays the same

TITLED = """
version = 1

[gitlab]
url = "{url}"
addresses = "loopback"
token_file = "{folder}/gitlab-token"
secret_file = "{folder}/gitlab-secret"
models = ["credit", "credit-*"]
experiments = ["*"]
wait_minutes = 1

[[gitlab.merge_requests]]
project = "risk/credit"
check = "Model evidence"
policy_environment = "prod"
read = {{ field = "{field}", as = "Release {{model}} {{version}}" }}
"""


@pytest.fixture
def titled(start, captured, gitlab, secret_files):
    """Starts services that read a field which people may change; sends them what GitLab sends."""

    def started(field="title"):
        text = TITLED.format(url=gitlab.url, folder=secret_files, field=field)
        url = start(text=text).check(CHECK)
        return lambda payload: gitlab.check_status(url, payload)

    return started


def release(model, version):
    return f"Release {model} {version}"


@pytest.mark.parametrize("field", ["title", "target_branch"])
def test_the_last_question_counts_and_not_the_last_verdict(
    gitlab, titled, late, world, caplog, field
):
    """What was asked first is decided last: it is no longer what the merge request says."""
    ask = titled(field)
    ask(gitlab.merge_request(**{field: release(late.model, late.version)}))
    until(lambda: said(gitlab) == ["pending"], 20)
    assert ask(gitlab.merge_request(**{field: release("credit", world.v_regressed)}))[0] == 202
    until(lambda: said(gitlab) == ["pending", "failed"], 20)
    late.capture()
    until(lambda: GONE in caplog.text, 20)
    assert said(gitlab) == ["pending", "failed"]


def test_another_replica_knows_that_it_is_no_longer_asked(gitlab, titled, late, world, caplog):
    one, other = titled(), titled()
    one(gitlab.merge_request(title=release(late.model, late.version)))
    until(lambda: said(gitlab) == ["pending"], 20)
    other(gitlab.merge_request(title=release("credit", world.v_regressed)))
    until(lambda: said(gitlab) == ["pending", "failed"], 20)
    late.capture()
    until(lambda: GONE in caplog.text, 20)
    assert said(gitlab) == ["pending", "failed"]


def test_a_request_that_is_replayed_passes_nothing(gitlab, titled, world, caplog):
    ask = titled()
    old = gitlab.merge_request(title=release("credit", world.v_good))
    ask(old)
    until(lambda: said(gitlab) == ["passed"], 20)
    ask(gitlab.merge_request(title=release("credit", world.v_regressed)))
    until(lambda: said(gitlab) == ["passed", "failed"], 20)
    ask(old)
    until(lambda: GONE in caplog.text, 20)
    assert said(gitlab) == ["passed", "failed"]


def test_a_pass_that_comes_too_late_is_taken_back(gitlab, titled, world, caplog):
    """The title is changed while GitLab takes it: that no verdict comes after it is possible."""
    ask = titled()
    good = gitlab.merge_request(title=release("credit", world.v_good))
    gitlab.first = [(200, now(gitlab)), (502, {})]
    gitlab.request["title"] = release("credit", world.v_regressed)
    ask(good)
    until(lambda: GONE in caplog.text, 20)
    assert said(gitlab) == ["passed", "failed"]


@pytest.mark.parametrize("answer", [(403, {}), (404, {}), (200, b"no json"), (200, [1])])
def test_a_merge_request_that_cannot_be_read_does_not_pass(gitlab, titled, world, caplog, answer):
    ask = titled()
    payload = gitlab.merge_request(title=release("credit", world.v_good))
    gitlab.first = [answer]
    ask(payload)
    until(lambda: "a verdict was not delivered" in caplog.text, 20)
    assert gitlab.responses == []


def test_a_denial_is_told_though_the_merge_request_cannot_be_read(gitlab, titled, world):
    """An older pass of the same head may stand there."""
    ask = titled()
    payload = gitlab.merge_request(title=release("credit", world.v_regressed))
    gitlab.first = [(403, {})]
    ask(payload)
    assert status(gitlab)["status"] == "failed"


def test_a_long_description_does_not_keep_a_merge_request_from_being_read(gitlab, ask, world):
    gitlab.description = "<" * 500_000  # as much as GitLab takes, and half of it in escapes
    ask(gitlab.merge_request(**branch("credit", world.v_good)))
    assert status(gitlab)["status"] == "passed"


def test_the_wait_is_told_again_when_it_is_asked_again(gitlab, waiting, late):
    """GitLab fails a check that is pending for two minutes; *Retry* sends the same question."""
    payload = gitlab.merge_request(**branch(late.model, late.version))
    for _ in range(3):
        gitlab.responses.clear()
        assert gitlab.check_status(waiting.check(CHECK), payload)[0] == 202
        until(lambda: gitlab.responses, 20)
        assert said(gitlab) == ["pending"]
    assert len(waiting.consumers.in_flight) == 1
    late.capture()
    assert status(gitlab)["status"] == "passed"


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
