"""Azure DevOps: a check answered at once, and one answered by a callback."""

from __future__ import annotations

import json
import logging
import threading
import time
from dataclasses import replace

import pytest

from mlflow_evidence_plugin.errors import StoreUnavailable
from tests.api.stores import Away
from tests.consumers.doubles import ADVISED, AdoCheck, send
from tests.faults.processes import running, until

SYNC, CALLBACK = "azure-devops", "azure-devops/callback"
GOOD = {"model": "credit", "alias": "production", "environment": "prod"}


@pytest.fixture
def token(tokens):
    return tokens.mine


@pytest.fixture
def version(world):
    return lambda number: {"model": "credit", "version": number, "environment": "prod"}


def settle(check, seconds=20):
    return until(lambda: check.results, seconds)


def test_a_good_version_meets_the_criterion_in_one_call(ado, served, token):
    assert ado.evaluate(served.check(SYNC), token, GOOD) == (True, 1)


def test_a_bad_version_does_not_and_says_why(ado, served, token, version, world):
    passed, calls = ado.evaluate(served.check(SYNC), token, version(world.v_regressed), 0.01)
    assert (passed, calls) == (False, 11)
    status, root = ado.ask(served.check(SYNC), AdoCheck(), token, version(world.v_regressed))
    assert (status, root["status"], root["result"]) == (200, "failed", "failed")
    assert root["reasons"][0]["mend"]
    assert root["details_url"].startswith(f"{served.url}/bundles/sha256:")


def test_while_evidence_is_awaited_it_is_asked_again_and_then_passes(ado, served, tokens, late):
    body = {"model": late.model, "version": late.version, "environment": "lab"}
    _, root = ado.ask(served.check(SYNC), AdoCheck(), tokens.admin, body)
    assert (root["status"], root["reasons"][0]["code"]) == ("pending", "no-evidence")
    capturing = threading.Timer(0.5, late.capture)
    capturing.start()
    passed, calls = ado.evaluate(served.check(SYNC), tokens.admin, body, 0.5)
    assert passed
    assert calls > 1


def test_a_slow_store_is_answered_within_three_seconds(ado, start, service, captured, token):
    class Slow(Away):
        def __getattr__(self, name):
            time.sleep(6)
            raise StoreUnavailable("away")

    gathering = replace(service.evidence.deciding.gathering, mlflow=Slow(None))
    served = start(
        deciding=replace(service.evidence.deciding, gathering=gathering),
        capturing=replace(service.evidence.capturing, store=Slow(None)),
    )
    began = time.monotonic()
    status, root = ado.ask(served.check(SYNC), AdoCheck(), token, GOOD)
    assert time.monotonic() - began < ADVISED
    assert (status, root["status"], root["allowed"]) == (200, "pending", False)
    assert [one["code"] for one in root["reasons"]] == ["still-deciding"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"environment": "prod"}, 422),
        ({"model": "credit"}, 422),
        ({"model": "credit", "version": "1", "alias": "production"}, 422),
        ({"model": "credit", "alias": "production", "enviroment": "prod"}, 422),
        ({"model": "credit", "alias": "production", "AuthToken": "eyJ0-secret"}, 422),
        ({"model": "credit", "alias": "production", "environment": "moon"}, 404),
        ({"model": "vault", "alias": "production", "environment": "prod"}, 404),
    ],
    ids=["empty", "no-model", "no-version", "both", "misspelt", "token", "moon", "foreign"],
)
def test_what_is_not_as_described_is_no_pass(ado, served, token, body, status):
    got, root = ado.ask(served.check(SYNC), AdoCheck(), token, body)
    assert (got, root["status"]) == (status, status)
    assert "eyJ0-secret" not in json.dumps(root)


def test_a_body_that_is_no_json_and_a_huge_one_are_refused(served, token):
    said = {"Authorization": f"Bearer {token}"}
    assert send(served.check(SYNC), said, b"{not json")[0] == 400
    assert send(served.check(SYNC), said, b'{"model": "' + b"x" * (2 << 20) + b'"}')[0] == 413


def test_without_a_token_nothing_is_answered(ado, served):
    for name in (SYNC, CALLBACK):
        assert ado.ask(served.check(name), ado.new_check(), "mle_0_guess", GOOD)[0] == 401


# The callback


def test_a_good_version_completes_the_check(ado, served, token):
    check = ado.new_check()
    began = time.monotonic()
    assert ado.ask(served.check(CALLBACK), check, token, GOOD) == (200, {"status": "accepted"})
    assert time.monotonic() - began < ADVISED
    settle(check)
    assert check.results == ["succeeded"]
    assert len(ado.asked) == 1


def test_a_bad_version_fails_the_check(ado, served, token, version, world):
    check = ado.new_check()
    ado.ask(served.check(CALLBACK), check, token, version(world.v_regressed))
    settle(check)
    assert check.results == ["failed"]


@pytest.mark.parametrize(
    "body",
    [
        GOOD | {"environment": "moon"},
        GOOD | {"alias": "nobody"},
        {"model": "vault", "alias": "production", "environment": "prod"},
        GOOD | {"digest": "sha256:" + "0" * 64},
    ],
    ids=["unknown-environment", "unknown-alias", "foreign-model", "other-digest"],
)
def test_what_is_unknown_fails_the_check(ado, served, token, body):
    check = ado.new_check()
    assert ado.ask(served.check(CALLBACK), check, token, body)[0] == 200
    settle(check)
    assert check.results == ["failed"]


def test_evidence_that_comes_in_time_completes_the_check(ado, waiting, tokens, late):
    check = ado.new_check()
    body = {"model": late.model, "version": late.version, "environment": "lab"}
    assert ado.ask(waiting.check(CALLBACK), check, tokens.admin, body)[0] == 200
    time.sleep(0.5)
    assert check.results == []
    late.capture()
    settle(check)
    assert check.results == ["succeeded"]


def test_evidence_that_does_not_come_fails_the_check_after_the_time_that_is_set(
    ado, served, token, version, world
):
    check = ado.new_check()
    ado.ask(served.check(CALLBACK), check, token, version(world.v_uncaptured))
    settle(check)
    assert check.results == ["failed"]


def test_a_check_that_is_asked_again_while_it_waits_is_completed_once(ado, waiting, tokens, late):
    check = ado.new_check()
    body = {"model": late.model, "version": late.version, "environment": "lab"}
    for _ in range(5):
        assert ado.ask(waiting.check(CALLBACK), check, tokens.admin, body)[0] == 200
    assert len(waiting.consumers.in_flight) == 1
    late.capture()
    until(lambda: not len(waiting.consumers.in_flight), 20)
    assert check.results == ["succeeded"]


def test_an_azure_devops_that_fails_is_tried_again(ado, served, token):
    ado.first = [(500, {}), (503, {}), (429, {})]
    check = ado.new_check()
    ado.ask(served.check(CALLBACK), check, token, GOOD)
    settle(check)
    assert check.results == ["succeeded"]
    assert len(ado.asked) == 4


def test_one_that_goes_on_failing_is_given_up(ado, served, token, caplog):
    ado.first = [(500, b"x" * 100_000)] * 50
    check = ado.new_check()
    ado.ask(served.check(CALLBACK), check, token, GOOD)
    until(lambda: "answered HTTP 500" in caplog.text, 20)
    assert len(ado.asked) == 6
    assert check.results == []


def test_a_token_that_azure_devops_refuses_is_not_tried_again(ado, served, token, caplog):
    check = ado.new_check()
    ado.ask(served.check(CALLBACK), check, token, GOOD, AuthToken="expired")
    until(lambda: "answered HTTP 401" in caplog.text, 20)
    assert len(ado.asked) == 1
    assert check.results == []


def test_more_checks_than_can_be_held_are_told_to_come_again(ado, waiting, tokens, late):
    waiting.consumers.in_flight.limit = 2
    body = {"model": late.model, "version": late.version, "environment": "lab"}
    said = [
        ado.ask(waiting.check(CALLBACK), ado.new_check(), tokens.admin, body)[0] for _ in range(3)
    ]
    assert said == [200, 200, 503]
    late.capture()
    until(lambda: not len(waiting.consumers.in_flight), 20)


PLAN_URLS = {
    "another-host": "https://evil.example.org/contoso/",
    "another-organization": "{url}/fabrikam/",
    "above": "{url}/",
    "below": "{url}/contoso/x/",
    "longer-name": "{url}/contoso2/",
    "another-scheme": "ftp://127.0.0.1/contoso/",
    "https-for-http": "https://{host}/contoso/",
    "another-port": "http://127.0.0.1:1/contoso/",
    "userinfo": "http://user:pw-in-url@{host}/contoso/",
    "host-as-user": "{url}@evil.example.org/contoso/",
    "metadata": "http://169.254.169.254/contoso/",
    "private": "http://10.0.0.1/contoso/",
    "by-another-name": "http://localhost:{port}/contoso/",
    "query": "{url}/contoso/?x=",
    "fragment": "{url}/contoso/#",
    "dots": "{url}/x/../contoso/",
    "encoded-dots": "{url}/x/%2e%2e/contoso/",
    "backslash": "{url}\\contoso/",
    "no-url": "contoso",
    "bad-port": "http://127.0.0.1:99999/contoso/",
}


@pytest.mark.parametrize("name", PLAN_URLS)
def test_a_callback_goes_nowhere_but_to_the_organizations_that_are_listed(
    ado, served, token, name, caplog
):
    host = ado.url.partition("//")[2]
    url = PLAN_URLS[name].format(url=ado.url, host=host, port=host.partition(":")[2])
    check = ado.new_check()
    status, said = ado.ask(served.check(CALLBACK), check, token, GOOD, PlanUrl=url)
    assert (status, said["code"]) == (422, "callback-refused")
    assert "pw-in-url" not in json.dumps(said) + caplog.text
    assert ado.asked == []


HEADERS = {
    "ProjectId": "../../x",
    "HubName": "checks/../x",
    "PlanId": "not-a-guid",
    "JobId": "1",
    "TaskInstanceId": "",
    "AuthToken": "two words",
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_that_is_not_as_it_should_be_is_refused(ado, served, token, name):
    sent = {name: HEADERS[name]}
    status, said = ado.ask(served.check(CALLBACK), ado.new_check(), token, GOOD, **sent)
    assert (status, said["code"]) == (422, "bad-input")
    assert name in said["detail"]
    assert "two words" not in json.dumps(said)


def test_without_a_consumers_file_there_is_no_callback(ado, start, captured, token):
    served = start(text="version = 1")
    status, said = ado.ask(served.check(CALLBACK), ado.new_check(), token, GOOD)
    assert (status, said["code"]) == (404, "not-found")
    assert ado.evaluate(served.check(SYNC), token, GOOD) == (True, 1)


def test_a_redirect_is_not_followed(ado, served, token, caplog):
    ado.first = [(307, b"http://169.254.169.254/latest/meta-data/")]
    check = ado.new_check()
    ado.ask(served.check(CALLBACK), check, token, GOOD)
    until(lambda: "answered HTTP 307" in caplog.text, 20)
    assert len(ado.asked) == 1


def test_the_token_is_in_no_log_line_whatever_happens(ado, served, token, caplog):
    caplog.set_level(logging.DEBUG)
    secret = []
    for first in ([], [(401, {})], [(500, {})] * 9, [(307, b"http://127.0.0.1:1/")], [(200, b"{")]):
        ado.first = list(first)
        check = ado.new_check()
        secret.append(check.token)
        ado.ask(served.check(CALLBACK), check, token, GOOD)
        until(lambda: not len(served.consumers.in_flight), 20)
    assert any("TaskCompleted" in str(one.body) for one in ado.asked)
    assert "api-version" in caplog.text  # urllib3's own lines are among them
    assert not any(one in caplog.text for one in secret)


def test_the_token_is_in_no_byte_that_a_real_service_leaves(
    ado, told, tmp_path, mlflow_url, captured
):
    """gunicorn, its log, and everything in its home: database, its log of writes, queue."""
    from tests.world import POLICY

    (tmp_path / "policy.yaml").write_text(POLICY)
    (tmp_path / "consumers.toml").write_text(told(wait=1))
    env = {
        "TRACKING_URI": mlflow_url,
        "POLICY_FILE": str(tmp_path / "policy.yaml"),
        "CONSUMERS_FILE": str(tmp_path / "consumers.toml"),
    }
    check, refused = ado.new_check(), ado.new_check()
    body = {"model": "credit", "alias": "production", "environment": "lab"}
    with running(tmp_path / "home", **env) as service:
        url = f"{service.url}/v1/checks/{CALLBACK}"
        assert ado.ask(url, check, service.token, body)[0] == 200
        assert ado.ask(url, refused, service.token, body, PlanUrl="https://x.example/")[0] == 422
        assert service.get("/v1/bundles")["items"] == []
        assert check.results == []
        service.post("/v1/captures", {"model": "credit", "alias": "production"}, wait=30)
        settle(check, 30)
    assert check.results == ["succeeded"]
    left = [one for one in tmp_path.rglob("*") if one.is_file()]
    assert {"evidence.db", "queue.db", "home.log"} <= {one.name for one in left}
    assert "azure-devops" in (tmp_path / "home.log").read_text()
    for one in left:
        data = one.read_bytes()
        assert check.token.encode() not in data, one
        assert refused.token.encode() not in data, one
