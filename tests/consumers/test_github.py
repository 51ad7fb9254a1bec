"""GitHub: deployments that wait for a custom protection rule."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import replace

import pytest

from mlflow_evidence_plugin.errors import StoreUnavailable
from tests.api.stores import Away
from tests.consumers.doubles import GITHUB_LIMIT, send
from tests.faults.processes import until


def decided(github, seconds=20):
    """The review that ends the wait."""
    return until(lambda: next((r for r in github.reviews if "state" in r), None), seconds)


def event(github, ref, **changes):
    found = github.event("canary", **changes)
    found["deployment"]["ref"] = ref
    return found


@pytest.fixture
def deliver(github, served):
    return lambda payload, **more: github.deliver(served.check("github"), payload, **more)


def test_a_good_version_is_approved(github, deliver, captured):
    assert deliver(github.event()) == (202, {"status": "accepted"})
    review = decided(github)
    assert (review["environment_name"], review["state"]) == ("production", "approved")
    assert review["comment"].startswith("**Allowed**: `models/credit/")
    assert captured.good in review["comment"]


def test_a_bad_version_is_rejected_with_its_reasons(github, deliver, world):
    deliver(event(github, f"credit/v{world.v_regressed}"))
    review = decided(github)
    assert review["state"] == "rejected"
    assert "**no-regression**" in review["comment"]
    assert "mend:" in review["comment"]


def test_the_rule_says_that_it_waits_and_then_decides(github, waiting, late):
    payload = event(github, f"{late.model}/v{late.version}")
    assert github.deliver(waiting.check("github"), payload)[0] == 202
    first = until(lambda: github.reviews, 20)[0]
    assert "state" not in first
    assert "Waiting for evidence" in first["comment"]
    time.sleep(0.3)
    assert len(github.reviews) == 1
    late.capture()
    assert decided(github)["state"] == "approved"


REJECTED = {
    "another-repository": ({"repository": {"full_name": "octo/other"}}, "callback"),
    "unknown-environment": ({"environment": "qa"}, "not-configured"),
    "an-environment-that-the-policy-has-not": ({"environment": "moon"}, "not-found"),
    "no-evidence-in-time": ("credit/v{uncaptured}", "no-evidence"),
    "a-ref-that-names-no-model": ("main", "no-subject"),
    "a-ref-that-is-too-long": ("credit/v1" + "1" * 999, "no-subject"),
    "a-version-that-is-none": ("credit/vlatest", "no-subject"),
    "a-line-break": ("credit/v1\n", "no-subject"),
    "a-ref-that-is-no-text": (17, None),
    "a-model-that-it-may-not-see": ("vault/v1", "not-found"),
    "a-version-that-does-not-exist": ("credit/v999", "no-such-version"),
}


@pytest.mark.parametrize("name", REJECTED)
def test_what_is_unknown_is_rejected_with_a_reason(github, deliver, world, name):
    changes, code = REJECTED[name]
    if isinstance(changes, dict):
        payload = github.event(**changes)
    elif isinstance(changes, str):
        payload = event(github, changes.format(uncaptured=world.v_uncaptured))
    else:
        payload = event(github, changes)
    status, said = deliver(payload)
    if code in ("callback", None):
        assert status == 422
        assert said["code"] == ("callback-refused" if code else "bad-input")
        assert github.reviews == []
        return
    assert status == 202
    review = decided(github)
    assert review["state"] == "rejected"
    assert f"**{code}**" in review["comment"]


@pytest.mark.parametrize("deployment", [{"deployment": None}, {}], ids=["null", "none"])
def test_without_a_deployment_the_ref_of_the_event_is_read(github, deliver, world, deployment):
    payload = github.event("canary", ref=f"credit/v{world.v_good}", sha="a" * 40)
    payload = {k: v for k, v in payload.items() if k != "deployment"} | deployment
    assert deliver(payload)[0] == 202
    assert decided(github)["state"] == "approved"


@pytest.mark.parametrize(
    "changes", [{}, {"ref": None}, {"ref": "main"}], ids=["no", "null", "main"]
)
def test_where_nothing_can_be_read_it_is_rejected(github, deliver, changes):
    assert deliver(github.event("canary", deployment=None, **changes))[0] == 202
    review = decided(github)
    assert review["state"] == "rejected"
    assert "**no-subject**" in review["comment"]


def test_the_ref_of_a_deployment_is_not_overruled(github, deliver, world):
    payload = event(github, f"credit/v{world.v_regressed}")
    deliver(payload | {"ref": f"credit/v{world.v_good}"})
    assert decided(github)["state"] == "rejected"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (StoreUnavailable("away"), "alias-unresolved"),
        (RuntimeError("what nobody foresaw"), "error"),
    ],
)
def test_what_goes_wrong_inside_is_a_rejection_with_a_reason(github, start, service, error, code):
    store = Away(error)
    gathering = replace(service.evidence.deciding.gathering, mlflow=store)
    served = start(
        deciding=replace(service.evidence.deciding, gathering=gathering),
        capturing=replace(service.evidence.capturing, store=store),
    )
    assert github.deliver(served.check("github"), github.event())[0] == 202
    review = decided(github)
    assert review["state"] == "rejected"
    assert f"**{code}**" in review["comment"]
    assert "foresaw" not in review["comment"]


def test_strangers_words_are_inert_in_a_comment_and_it_is_short_enough(github, deliver):
    deliver(event(github, "@octocat <img src=x> [x](http://evil) " + "`" * 20 + "y" * 150))
    comment = decided(github)["comment"]
    assert len(comment) <= GITHUB_LIMIT
    outside = "".join(comment.split("``" + "`" * 19)[::2])
    assert "@octocat" not in outside


@pytest.mark.parametrize("count", [0, 1, 3, 40])
def test_a_comment_is_never_longer_than_it_may_be(count):
    from api.consumers.asking import Verdict

    reason = {"code": "metric-threshold", "found": "f" * 400, "asked": "a" * 90, "mend": "m" * 90}
    verdict = Verdict("failed", "models/x/1", "prod", [reason] * count, (), "https://e/" + "d" * 80)
    for limit in (255, 1024):
        assert len(verdict.comment(limit)) <= limit
    if count == 40:
        assert "more" in verdict.comment(1024)


def test_a_forged_signature_is_refused_before_anything_is_parsed(github, served, deliver):
    body = json.dumps(github.event()).encode()
    wrong = {
        "none": {},
        "empty": {"X-Hub-Signature-256": ""},
        "other-secret": {"X-Hub-Signature-256": "sha256=" + "0" * 64},
        "no-prefix": {"X-Hub-Signature-256": "0" * 64},
        "sha1": {"X-Hub-Signature": "sha1=" + "0" * 40},
        "not-ascii": {"X-Hub-Signature-256": "sha256=é"},
    }
    known = {"X-GitHub-Event": "deployment_protection_rule", "X-GitHub-Delivery": "1"}
    for name, headers in wrong.items():
        for sent in (body, b"{no json", b""):
            status, said = send(served.check("github"), known | headers, sent)
            assert (status, said["code"]) == (401, "unauthorized"), name
    assert github.asked == []


def test_a_body_that_was_changed_after_it_was_signed_is_refused(github, served):
    import hashlib
    import hmac

    body = json.dumps(github.event("staging")).encode()
    made = hmac.new(github.secret.encode(), body, hashlib.sha256).hexdigest()
    known = {
        "X-GitHub-Event": "deployment_protection_rule",
        "X-GitHub-Delivery": str(uuid.uuid4()),
        "X-Hub-Signature-256": f"sha256={made}",
    }
    changed = body.replace(b"staging", b"canary!")
    assert send(served.check("github"), known, changed)[0] == 401


def test_a_delivery_counts_once(github, deliver):
    delivery = str(uuid.uuid4())
    assert deliver(github.event(), delivery=delivery)[0] == 202
    decided(github)
    status, said = deliver(github.event(), delivery=delivery)
    assert (status, said["code"]) == (409, "conflict")
    assert len(github.reviews) == 1


def test_a_delivery_whose_verdict_was_not_taken_may_be_sent_again(github, deliver, caplog):
    delivery = str(uuid.uuid4())
    github.first = [(403, {})]
    deliver(github.event(), delivery=delivery)
    until(lambda: "answered HTTP 403" in caplog.text, 20)
    until(lambda: deliver(github.event(), delivery=delivery)[0] == 202, 20)
    assert decided(github)["state"] == "approved"


@pytest.mark.parametrize("delivery", ["", "x" * 65, "a b", "é"])
def test_a_delivery_without_a_sane_id_is_refused(github, deliver, delivery):
    status, said = deliver(github.event(), **{"X-GitHub-Delivery": delivery})
    assert (status, said["code"]) == (422, "bad-input")


@pytest.mark.parametrize("name", ["ping", "push", "deployment"])
def test_other_events_are_ignored(github, served, name):
    headers = {"X-GitHub-Event": name}
    assert github.deliver(served.check("github"), {"zen": "x"}, **headers) == (
        200,
        {"status": "ignored"},
    )
    assert github.asked == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{not json", 422),
        (b"[]", 422),
        (b"{}", 422),
        (b"[" * 100_000, 422),
        (b'{"x": "' + b"x" * (2 << 20) + b'"}', 413),
    ],
    ids=["no-json", "list", "empty", "deep", "huge"],
)
def test_a_signed_body_that_is_no_event_is_refused(deliver, body, status):
    assert deliver(body)[0] == status


RUN = "repos/octo/credit-serving/actions/runs/1/deployment_protection_rule"
CALLBACKS = {
    "another-host": f"https://evil.example.org/{RUN}",
    "metadata": f"http://169.254.169.254/{RUN}",
    "private": f"https://10.0.0.1/{RUN}",
    "userinfo": f"http://a:b@{{host}}/{RUN}",
    "another-repository": "{url}/repos/octo/other/actions/runs/1/deployment_protection_rule",
    "another-endpoint": "{url}/repos/octo/credit-serving/actions/runs/1/approve",
    "no-run": "{url}/repos/octo/credit-serving/actions/runs/x/deployment_protection_rule",
    "dots": f"{{url}}/repos/octo/x/../../../{RUN}",
    "query": f"{{url}}/{RUN}?x=1",
    "nothing": "",
}


@pytest.mark.parametrize("name", CALLBACKS)
def test_the_callback_url_must_be_that_of_a_run_of_the_repository(github, deliver, name):
    host = github.url.partition("//")[2]
    url = CALLBACKS[name].format(url=github.url, host=host)
    status, said = deliver(github.event(deployment_callback_url=url))
    assert (status, said["code"]) == (422, "callback-refused")
    assert github.asked == []


def test_a_github_that_fails_is_tried_again(github, deliver):
    github.first = [(502, {}), (500, {})]
    deliver(github.event())
    assert decided(github)["state"] == "approved"


def test_an_app_that_github_does_not_know_gives_no_approval(github, deliver, caplog):
    github.app_id = "other"
    deliver(github.event())
    until(lambda: "answered HTTP 401" in caplog.text, 20)
    assert github.reviews == []


@pytest.mark.parametrize("said", [b"{", b"[]", {"token": 7}, {"token": "a\nb"}, b"x" * 200_000])
def test_an_answer_without_a_token_gives_no_approval(github, deliver, caplog, said):
    github.first = [(201, said)]
    deliver(github.event())
    until(lambda: "no installation token" in caplog.text, 20)
    assert github.reviews == []


def test_no_key_or_token_is_logged(github, deliver, caplog, secret_files):
    caplog.set_level("DEBUG")
    deliver(github.event())
    decided(github)
    assert github.tokens
    for secret in (*github.tokens, github.secret, (secret_files / "app.pem").read_text()[40:90]):
        assert secret not in caplog.text
    proof = github.asked[0].headers["authorization"].partition(" ")[2]
    assert proof not in caplog.text


def test_without_a_section_there_is_no_such_consumer(github, start):
    served = start(text="version = 1")
    assert github.deliver(served.check("github"), github.event())[0] == 404
