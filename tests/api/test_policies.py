"""Policies over REST: the one in force, and what another would have blocked."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from mlflow_evidence_plugin.policy import parse
from mlflow_evidence_plugin.service import explaining
from mlflow_evidence_plugin.storage import bodies
from tests.api.stores import Untouchable
from tests.contract.checked import Client
from tests.world import POLICY


def policy(*rules):
    return f"version: 1\nenvironments: {{prod: {{rules: [{', '.join(rules)}]}}}}".encode()


LOSS = "{rule: metric-threshold, metric: log_loss, max: 0.5}"


def ask(client, text, query):
    headers = {"Content-Type": "application/yaml"}
    return client.open("POST", f"/v1/policies/explain{query}", data=text, headers=headers)


@pytest.fixture(scope="module")
def judged(admin, maker):
    """A model of its own, of two versions: a good one and a worse."""
    model = maker.new_name("judged")
    for log_loss in (0.2, 0.9):
        maker.version(model, maker.run(log_loss=log_loss))
    good, regressed = (admin.capture(model=model, version=n).json["digest"] for n in "12")
    query = f"?model={model}"
    return SimpleNamespace(model=model, query=query, good=good, regressed=regressed)


@pytest.fixture
def offline(service, tokens, captured):
    """The service on a tracking store that fails the test if it is asked."""
    return Client(service.on_store(Untouchable()), tokens.admin)


def test_the_policy_in_force_is_shown(admin, service):
    found = admin.get("/v1/policies/current").json
    known = parse(POLICY.encode())
    assert found["digest"] == known.digest
    assert found["policy"]["environments"].keys() == known.environments.keys()
    none = Client(service.app(policy=None), admin.token).get("/v1/policies/current")
    assert (none.status_code, none.json["code"]) == (404, "no-policy")


def test_what_a_policy_would_have_blocked_is_told_with_reasons(offline, judged):
    found = ask(offline, policy("{rule: tracked-run}", LOSS), judged.query).json
    assert (found["environment"], found["next"], found["undecided"]) == ("prod", None, 0)
    blocked = {one["digest"]: one for one in found["items"]}
    one = blocked.pop(judged.regressed)
    assert not blocked
    assert one["subject"] == f"models/{judged.model}/2"
    assert [reason["code"] for reason in one["reasons"]] == ["metric-threshold"]
    assert found["looked_at"] == found["passed"] + found["blocked"]
    assert found["rules"][0] == {
        "rule": "tracked-run",
        "severity": "block",
        "passed": found["looked_at"],
        "failed": 0,
        "untold": 0,
    }
    assert found["rules"][1]["failed"] == found["blocked"] == 1


def test_a_rule_that_only_warns_blocks_nothing(offline, judged):
    found = ask(offline, policy(LOSS.replace("}", ", severity: warn}")), judged.query).json
    assert (found["blocked"], found["items"]) == (0, [])
    assert found["rules"][0]["failed"] > 0


@pytest.mark.parametrize(
    "rule",
    [
        "{rule: approvals}",
        "{rule: attested, type: '*'}",
        "{rule: trend, metric: auc}",
        "{rule: rollback-target}",
        "{rule: no-regression, metric: auc, baseline: {alias: production}}",
        f"{{rule: no-regression, metric: auc, baseline: {{digest: 'sha256:{'0' * 64}'}}}}",
    ],
)
def test_what_only_that_moment_knew_is_not_guessed(offline, judged, rule):
    found = ask(offline, policy("{rule: tracked-run}", rule), judged.query).json
    assert found["undecided"] == found["looked_at"] > 0
    assert found["rules"][1]["untold"] == found["looked_at"]
    softened = policy("{rule: tracked-run}", rule.replace("}", ", severity: warn}", 1))
    warned = ask(offline, softened, judged.query)
    if "{alias" not in rule and "{digest" not in rule:
        assert warned.json["passed"] == warned.json["looked_at"]


def test_the_previous_version_and_evidence_by_digest_are_known(offline, captured, judged):
    rule = "{rule: no-regression, metric: log_loss, direction: lower, baseline: %s}"
    fixed = ask(offline, policy(rule % f"{{digest: '{judged.good}'}}"), judged.query).json
    assert judged.regressed in {one["digest"] for one in fixed["items"]}
    assert fixed["undecided"] == 0
    before = ask(offline, policy(rule % "previous"), judged.query).json
    assert judged.regressed in {one["digest"] for one in before["items"]}
    fixed = policy(rule % f"{{digest: '{captured.foreign}'}}")
    foreign = ask(offline, fixed, judged.query).json
    assert foreign["undecided"] == foreign["looked_at"]


def test_each_is_judged_as_of_its_capture(offline, judged):
    found = ask(offline, policy("{rule: fresh, max_age_hours: 1}"), judged.query).json
    assert found["passed"] == found["looked_at"] > 0


def test_a_caller_is_told_of_its_own_only(service, tokens, captured, offline):
    everything = ask(offline, policy(LOSS), "").json
    strange = service.token("s", "policy", experiments=("nothing",), models=("nothing",))
    mine = service.token("m", "policy", experiments=("credit*",), models=("credit",))
    app = service.on_store(Untouchable())
    assert ask(Client(app, strange), policy(LOSS), "").json["looked_at"] == 0
    own = ask(Client(app, mine), policy("{rule: run-finished}"), "").json
    assert 0 < own["looked_at"] < everything["looked_at"]
    baseline = f"{{rule: no-regression, metric: auc, baseline: {{digest: '{captured.foreign}'}}}}"
    told = ask(Client(app, mine), policy(baseline), "").json
    assert told["undecided"] == told["looked_at"]


@pytest.mark.parametrize("baseline", ["previous", "digest"])
def test_a_baseline_that_is_not_the_callers_is_untold(service, app, admin, maker, baseline):
    """A policy of one's own would else ask for a metric of evidence that one may not see."""
    model = maker.new_name("moved")
    runs = (maker.run(experiment="secret-lab"), maker.run(log_loss=0.9))
    versions = [maker.version(model, one) for one in runs]
    hidden, own = (admin.capture(model=model, version=one).json["digest"] for one in versions)
    key = baseline if baseline == "previous" else f"{{digest: '{hidden}'}}"
    rule = policy(f"{{rule: no-regression, metric: log_loss, direction: lower, baseline: {key}}}")
    seen = {one["digest"] for one in ask(admin, rule, f"?model={model}").json["items"]}
    assert own in seen
    token = service.token("half", "policy", experiments=("credit*",), models=(model,))
    found = ask(Client(app, token), rule, f"?model={model}").json
    assert (found["looked_at"], found["undecided"], found["items"]) == (1, 1, [])


def test_pages_add_up_to_the_whole(offline, monkeypatch):
    monkeypatch.setattr(bodies, "BATCH", 1)
    whole = ask(offline, policy(LOSS), "").json
    found, query = [], "?limit=1"
    while query:
        page = ask(offline, policy(LOSS), query).json
        assert page["looked_at"] == 1
        found += page["items"]
        query = page["next"] and f"?limit=1&cursor={page['next']}"
    assert found == whole["items"]


def test_a_page_that_takes_long_ends_where_it_is(offline, monkeypatch):
    whole = ask(offline, policy(LOSS), "").json
    monkeypatch.setattr(explaining, "PATIENCE", -1.0)
    first = ask(offline, policy(LOSS), "").json
    assert (first["looked_at"], first["next"] is None) == (1, False)
    count, cursor = 1, first["next"]
    while cursor:
        page = ask(offline, policy(LOSS), f"?cursor={cursor}").json
        count, cursor = count + page["looked_at"], page["next"]
    assert count == whole["looked_at"]


def test_only_what_was_asked_for_is_looked_at(offline, captured):
    assert ask(offline, policy(LOSS), "?model=nobody").json["looked_at"] == 0
    late = ask(offline, policy(LOSS), "?since=2100-01-01T00:00:00Z").json
    assert late["looked_at"] == 0
    vault = ask(offline, policy(LOSS), "?model=vault").json
    assert vault["looked_at"] == 1


@pytest.mark.parametrize(
    ("text", "query", "status"),
    [
        (b"", "", 422),
        (b"nonsense", "", 422),
        (policy("{rule: be-nice}"), "", 422),
        (policy("{rule: expression, expression: 'now()'}"), "", 422),
        (policy(LOSS), "?environment=moon", 404),
        (policy(LOSS), "?cursor=x", 422),
        (policy(LOSS), "?limit=0", 422),
        (policy(LOSS), "?limit=501", 422),
        (policy(LOSS), "?since=soon", 422),
        (policy(LOSS), "?modl=credit", 422),
        (b"# " + b"x" * 300_000, "", 422),
        (b"x" * (1 << 20) + b"x", "", 413),
    ],
)
def test_what_is_malformed_is_refused(offline, text, query, status):
    assert ask(offline, text, query).status_code == status


def test_nothing_is_decided(offline, service, admin):
    before = service.counts()
    ask(offline, policy(LOSS), "")
    assert service.counts() == before


def test_an_expression_looks_at_each_record(offline, judged):
    rule = "{rule: expression, expression: 'metrics.log_loss <= 0.5'}"
    found = ask(offline, policy(rule), judged.query).json
    assert judged.regressed in {one["digest"] for one in found["items"]}


EVERY = b"""version: 1
environments:
  derived:
    rules:
      - {rule: expression, expression: 'metrics.log_loss <= 0.5 && run.status == "FINISHED"'}
      - {rule: expression, expression: 'metrics.nothing > 0.5', severity: warn}
      - {rule: required-tags, patterns: {ticket: "CHG-[0-9]+"}, basis: claimed}
      - {rule: no-regression, metric: log_loss, direction: lower, baseline: previous,
         if_no_baseline: pass, severity: warn}
      - {rule: trend, metric: auc, if_too_few: pass, severity: warn}
      - {rule: fresh, max_age_hours: 1}
      - {rule: approvals, severity: warn}
      - {rule: attested, type: "*", severity: warn}
      - {rule: rollback-target, severity: warn}
      - {rule: no-findings}
      - {rule: max-cost, max_minutes: 100000}
      - {rule: signature-model, severity: warn}
"""


def test_a_verdict_by_these_rules_is_derived_again_from_its_archive(service, tokens, judged):
    client = Client(service.app(policy=parse(EVERY)), tokens.admin)
    path = f"/v1/models/{judged.model}/versions/1/decision?environment=derived"
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    decided = answer.json
    assert decided["allowed"], decided["reasons"]
    assert {one["code"] for one in decided["warnings"]} >= {"expression", "approvals", "attested"}
    archive = client.get(f"/v1/bundles/{judged.good}/archive").data
    headers = {"Content-Type": "application/octet-stream"}
    report = client.open("POST", "/v1/verify", data=archive, headers=headers).json
    assert report["passed"], [one for one in report["checks"] if not one["passed"]]
