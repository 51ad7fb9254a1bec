"""Approvals and waivers: bound to a release, never one's own, and visible in every verdict."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mlflow_evidence_plugin.policy import parse
from mlflow_evidence_plugin.signing import Keyring
from mlflow_evidence_plugin.verify import Expected, verify_archive
from tests.conftest import instant
from tests.contract.checked import Client
from tests.world import GOVERNANCE

POLICY = parse(b"""
version: 1
environments:
  prod:
    rules:
      - rule: metric-threshold
        metric: auc
        min: 0.9
      - rule: metric-threshold
        metric: log_loss
        max: 0.5
  lab:
    rules:
      - rule: required-metrics
        metrics: [f1]
""")
RISK = {"role": "risk", "decision": "approved"}


@pytest.fixture(scope="module")
def gated(service):
    return service.app(policy=POLICY)


@pytest.fixture
def as_(gated, service):
    """A client with a token of a person's, who may approve in some roles."""

    def client(name, *scopes, roles=("risk",)):
        scopes = scopes or ("evidence:read", "approve")
        return Client(gated, service.token(name, *scopes, roles=roles))

    return client


@pytest.fixture
def boss(gated, tokens):
    return Client(gated, tokens.admin)


@pytest.fixture
def version(boss, maker):
    """A version whose `auc` is too low: the path of its verdict, and the digest of its evidence."""
    model = maker.new_name("waits")
    number = maker.version(model, maker.run(auc=0.5))
    digest = boss.capture(model=model, version=number).json["digest"]
    return f"/v1/models/{model}/versions/{number}/decision?environment=prod", digest


def entries(digest):
    return f"/v1/bundles/{digest}/approvals"


def test_an_approval_is_signed_and_says_by_whom_and_of_what(as_, version):
    _, digest = version
    until = {"expires_at": "2090-01-01T00:00:00Z"}
    told = RISK | until | {"comment": "looked at it", "ticket": "CHG1"}
    answer = as_("rita").post(entries(digest), told)
    assert answer.status_code == 201
    said = answer.json
    assert (said["approver"], said["role"], said["basis"]) == ("rita", "risk", "observed")
    assert (said["ticket"], said["expires_at"]) == ("CHG1", "2090-01-01T00:00:00.000Z")
    assert said["release"] == as_("rita").get(version[0]).json["release"]
    (listed,) = as_("rita").get(entries(digest)).json["approvals"]
    assert listed == said | {"state": "in-force"}


def test_the_same_said_twice_is_one_entry_and_another_word_is_a_conflict(as_, version):
    _, digest = version
    rita = as_("rita")
    first, again = (rita.post(entries(digest), RISK) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json == again.json
    other = rita.post(entries(digest), RISK | {"decision": "rejected"})
    assert (other.status_code, other.json["code"]) == (409, "conflict")
    assert first.json["statement"] in other.json["mend"]


def test_nobody_approves_in_a_role_that_the_token_lacks(as_, boss, version):
    _, digest = version
    for client in (as_("rita", roles=("owner",)), as_("rita", roles=()), boss):
        answer = client.post(entries(digest), RISK)
        assert (answer.status_code, answer.json["code"]) == (403, "forbidden")
        assert "risk" in answer.json["mend"]
    assert as_("rita", "evidence:read").post(entries(digest), RISK).status_code == 403
    assert boss.get(entries(digest)).json["approvals"] == []


@pytest.mark.parametrize("name", ["ana@example.org", "ANA", "ana"])
def test_nobody_approves_their_own_run(as_, version, name):
    _, digest = version
    assert GOVERNANCE["evidence.owner"] == "ana@example.org"
    answer = as_(name).post(entries(digest), RISK)
    assert (answer.status_code, answer.json["code"]) == (403, "own-run")
    assert "the owner" in answer.json["detail"]
    relayed = as_("servicenow").post(entries(digest), RISK | {"approver": name})
    assert (relayed.status_code, relayed.json["code"]) == (403, "own-run")


def test_whom_an_integration_names_is_claimed_unless_it_may_act_for_others(as_, version):
    _, digest = version
    told = RISK | {"approver": "rita"}
    claimed = as_("servicenow").post(entries(digest), told).json
    assert (claimed["approver"], claimed["basis"]) == ("rita", "claimed")
    assert claimed["relayed_by"] == "servicenow"
    may = as_("workflow", "evidence:read", "approve", "act-for-others")
    trusted = may.post(entries(digest), told | {"approver": "otto"}).json
    assert (trusted["approver"], trusted["basis"]) == ("otto", "observed")


def test_nobody_is_two_people_by_two_addresses(as_, version):
    """Of oneself one speaks by the token's name: no address makes another person of it."""
    _, digest = version
    rita = as_("rita")
    first = rita.post(entries(digest), RISK | {"approver": "rita@one.example.org"})
    again = rita.post(entries(digest), RISK | {"approver": "rita@two.example.org"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert (again.json["approver"], again.json["basis"]) == ("rita", "observed")
    own = as_("ana").post(entries(digest), RISK | {"approver": "ana@elsewhere.example.org"})
    assert (own.status_code, own.json["code"]) == (403, "own-run")


@pytest.mark.parametrize("unseen", [" ", "\u200b", "\u202eatir", "a\x7f"])
def test_a_name_or_a_reason_that_cannot_be_shown_is_refused(as_, boss, version, unseen):
    _, digest = version
    named = as_("servicenow").post(entries(digest), RISK | {"approver": unseen})
    assert (named.status_code, named.json["code"]) == (422, "bad-input")
    told = {"environment": "lab", "rule": "required-metrics", "reason": unseen}
    told["expires_at"] = instant(timedelta(days=3))
    waived = as_("paul", "policy").post(f"/v1/bundles/{digest}/waivers", told)
    assert (waived.status_code, waived.json["code"]) == (422, "bad-input")
    assert boss.get(entries(digest)).json == {"approvals": [], "waivers": []}


def test_an_entry_is_taken_back_by_another_and_both_stay(as_, boss, version):
    _, digest = version
    made = as_("rita").post(entries(digest), RISK).json["statement"]
    path = f"{entries(digest)}/{made}/revocation"
    refused = as_("otto").post(path, {})
    assert (refused.status_code, refused.json["code"]) == (403, "forbidden")
    taken = as_("rita").post(path, {"comment": "a mistake"})
    assert (taken.status_code, taken.json["revokes"]) == (201, made)
    assert as_("rita").post(path, {}).status_code == 200
    listed = boss.get(entries(digest)).json["approvals"]
    assert [one["state"] for one in listed] == ["revoked", "in-force"]
    assert as_("rita").post(entries(digest), RISK).status_code == 201, "she may decide again"
    unknown = f"{entries(digest)}/sha256:{'0' * 64}/revocation"
    assert as_("rita").post(unknown, {}).status_code == 404


def test_an_end_that_has_passed_is_refused_and_one_that_passes_ends_it(
    as_, service, tokens, version
):
    _, digest = version
    past = as_("rita").post(entries(digest), RISK | {"expires_at": "2020-01-01T00:00:00Z"})
    assert (past.status_code, past.json["code"]) == (422, "bad-input")
    soon = instant(timedelta(hours=1))
    assert as_("rita").post(entries(digest), RISK | {"expires_at": soon}).status_code == 201
    later = service.evidence.now() + timedelta(hours=2)
    client = Client(service.app(policy=POLICY, now=lambda: later), tokens.admin)
    assert [one["state"] for one in client.get(entries(digest)).json["approvals"]] == ["expired"]


def test_changed_outputs_need_a_new_approval_and_a_changed_description_does_not(
    as_, boss, maker, version
):
    path, digest = version
    model, number = path.split("/")[3], path.split("/")[5]
    assert as_("rita").post(entries(digest), RISK).status_code == 201
    maker.client.update_model_version(model, number, "described later")
    second = boss.capture(model=model, version=number).json["digest"]
    assert second != digest
    assert [one["state"] for one in boss.get(entries(second)).json["approvals"]] == ["in-force"]
    run = boss.get(f"/v1/bundles/{second}").json["record"]["run"]["facts"]["run_id"]["value"]
    maker.client.log_metric(run, "auc", 0.6, step=9)
    third = boss.capture(model=model, version=number).json["digest"]
    listed = boss.get(entries(third)).json["approvals"]
    assert [one["state"] for one in listed] == ["of-earlier-evidence"]


def test_a_waived_failure_is_shown_and_ends_with_its_waiver(as_, boss, service, tokens, version):
    path, digest = version
    assert boss.get(path).json["allowed"] is False
    told = {
        "environment": "prod",
        "rule": 'metric-threshold {"metric":"auc","min":0.9}',
        "reason": "a pilot of ten users",
        "expires_at": instant(timedelta(hours=2)),
    }
    made = as_("paul", "evidence:read", "policy").post(f"/v1/bundles/{digest}/waivers", told)
    assert made.status_code == 201
    verdict = boss.get(path).json
    assert (verdict["allowed"], verdict["reasons"]) == (True, [])
    (waived,) = verdict["waived"]
    assert (waived["code"], waived["by"]) == ("metric-threshold", "paul")
    assert waived["reason"] == told["reason"]
    assert waived["waiver"] == made.json["statement"]
    assert verdict["expires_at"] == told["expires_at"], "it holds no longer than the waiver"
    later = service.evidence.now() + timedelta(hours=3)
    client = Client(service.app(policy=POLICY, now=lambda: later), tokens.admin)
    assert client.get(path).json["allowed"] is False


@pytest.mark.parametrize(
    ("changed", "status", "named"),
    [
        ({"rule": "metric-threshold"}, 422, "several"),
        ({"rule": "no-such-rule"}, 422, "none that blocks"),
        ({"environment": "moon"}, 404, "moon"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, 422, "passed"),
        ({"expires_at": "2999-01-01T00:00:00Z"}, 422, "366"),
        ({"reason": ""}, 422, "reason"),
    ],
)
def test_a_waiver_that_is_not_one_is_refused(as_, boss, version, changed, status, named):
    _, digest = version
    told = {
        "environment": "lab",
        "rule": "required-metrics",
        "reason": "f1 comes next month",
        "expires_at": instant(timedelta(days=3)),
    }
    client = as_("paul", "evidence:read", "policy")
    environment = {"environment": "prod"} if "rule" in changed else {}
    answer = client.post(f"/v1/bundles/{digest}/waivers", told | environment | changed)
    assert answer.status_code == status
    assert named in answer.json["detail"]
    assert boss.get(entries(digest)).json["waivers"] == []


def test_who_has_a_hand_in_it_waives_nothing_and_a_policy_token_is_needed(as_, version):
    _, digest = version
    told = {
        "environment": "lab",
        "rule": "required-metrics",
        "reason": "mine",
        "expires_at": instant(timedelta(days=3)),
    }
    path = f"/v1/bundles/{digest}/waivers"
    own = as_("ana", "policy").post(path, told)
    assert (own.status_code, own.json["code"]) == (403, "own-run")
    assert as_("rita").post(path, told).status_code == 403


def test_the_verdicts_of_a_version_are_listed_the_newest_first(boss, as_, version):
    path, digest = version
    told = {
        "environment": "prod",
        "rule": 'metric-threshold {"metric":"auc","min":0.9}',
        "reason": "a pilot",
        "expires_at": instant(timedelta(days=3)),
    }
    assert boss.get(path).json["allowed"] is False
    as_("paul", "policy").post(f"/v1/bundles/{digest}/waivers", told)
    listing = path.replace("/decision?", "/decisions?")
    found = boss.get(listing).json
    assert [one["allowed"] for one in found["items"]] == [True, False]
    page = boss.get(listing + "&limit=1")
    assert [one["allowed"] for one in page.json["items"]] == [True]
    rest = boss.get(f"{listing}&limit=1&cursor={page.json['next']}").json
    assert ([one["allowed"] for one in rest["items"]], rest["next"]) == ([False], None)


def test_the_archive_derives_a_waived_verdict_again(as_, boss, service, version, tmp_path):
    path, digest = version
    told = {
        "environment": "prod",
        "rule": 'metric-threshold {"metric":"auc","min":0.9}',
        "reason": "a pilot",
        "expires_at": instant(timedelta(days=3)),
    }
    as_("paul", "policy").post(f"/v1/bundles/{digest}/waivers", told)
    as_("rita").post(entries(digest), RISK)
    verdict = boss.get(path).json
    file = tmp_path / "a.evidence.zip"
    file.write_bytes(boss.get(f"/v1/bundles/{digest}/archive").data)
    trusted = Keyring.of([(service.home / "public-key.pem").read_bytes()])
    expected = Expected(verdict["evaluated_at"], decision="prod")
    report = verify_archive(file, trusted, expected)
    assert [(one.name, one.detail) for one in report.checks if not one.passed] == []
