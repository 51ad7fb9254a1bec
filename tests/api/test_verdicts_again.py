"""A verdict that looks at everything is derived again from its archive alone; a lie is found."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta

import pytest

from mlflow_evidence_plugin.errors import StillChanging
from mlflow_evidence_plugin.policy import Case, evaluate, parse
from mlflow_evidence_plugin.signing import Keyring
from mlflow_evidence_plugin.statements import TEST_RESULT, VSA
from mlflow_evidence_plugin.statements.decision import test_result_statement as stated_tests
from mlflow_evidence_plugin.statements.decision import verification_summary
from mlflow_evidence_plugin.verify import Expected, verify_archive
from tests.contract.checked import Client

POLICY = parse(b"""
version: 1
environments:
  prod:
    rules:
      - rule: approvals
        roles: [risk]
        max_age_hours: 48
      - rule: trend
        metric: auc
        runs: 3
        at_least: 2
        tolerance: 0.1
        if_too_few: pass
      - rule: no-regression
        metric: auc
        baseline: previous
        tolerance: 0.1
        if_no_baseline: pass
      - rule: no-regression
        metric: log_loss
        direction: lower
        baseline: {alias: production}
        if_no_baseline: pass
      - rule: rollback-target
        if_no_target: pass
      - rule: fresh
        max_age_hours: 24
      - rule: expression
        expression: 'metrics["auc"] > 0.5'
""")

ALIASED = b"""
version: 1
environments:
  prod:
    rules:
      - rule: no-regression
        metric: auc
        baseline: {alias: production}
"""


class Released:
    """Three versions of a model, trained one after the other."""

    def __init__(self, service, maker, admin):
        self.service, self.model = service, maker.new_name("seen")
        self.digests = []
        experiment = maker.new_name("trend")
        for auc in (0.90, 0.92, 0.91):
            number = maker.version(self.model, maker.run(auc=auc, experiment=experiment))
            self.digests.append(admin.capture(model=self.model, version=number).json["digest"])
        self.client = admin

    def say(self, place, decision="approved"):
        token = self.service.token("rita", "evidence:read", "approve", roles=("risk",))
        told = {"role": "risk", "decision": decision}
        client = Client(self.client.app, token)
        answer = client.post(f"/v1/bundles/{self.digests[place]}/approvals", told)
        assert answer.status_code == 201, answer.text
        return answer.json["statement"]

    def verdict(self, place):
        path = f"/v1/models/{self.model}/versions/{place + 1}/decision?environment=prod"
        return self.client.get(path, headers={"Cache-Control": "no-cache"}).json

    def archive(self, place, folder):
        file = folder / "a.evidence.zip"
        file.write_bytes(self.client.get(f"/v1/bundles/{self.digests[place]}/archive").data)
        return file


class Meanwhile:
    """Looks as the real one does; something happens right before each look, or right after."""

    def __init__(self, gathering, before=None, after=None):
        self.gathering, self.before, self.after = gathering, before, after

    def __getattr__(self, name):
        return getattr(self.gathering, name)

    def case(self, record, policy, environment):
        if self.before:
            self.before()
        found = self.gathering.case(record, policy, environment)
        if self.after:
            self.after(found[0])
        return found


@pytest.fixture(scope="module")
def ours(service, tokens):
    return Client(service.app(policy=POLICY), tokens.admin)


@pytest.fixture
def released(service, maker, ours):
    return Released(service, maker, ours)


@pytest.fixture
def failing(service):
    trusted = Keyring.of([(service.home / "public-key.pem").read_bytes()])

    def report(file, **expected):
        asked = Expected(**{"now": "2100-01-01T00:00:00.000Z", **expected})
        found = verify_archive(file, trusted, asked)
        return {one.name: one.detail for one in found.checks if not one.passed}, found

    return report


def test_it_is_derived_again_with_all_that_it_looked_at(released, failing, tmp_path):
    for place in range(3):
        assert "approvals" in [one["code"] for one in released.verdict(place)["reasons"]]
        released.say(place)
        assert released.verdict(place)["allowed"], released.verdict(place)["reasons"]
    verdict = released.verdict(2)
    wrong, report = failing(
        released.archive(2, tmp_path), now=verdict["evaluated_at"], decision="prod"
    )
    assert wrong == {}
    assert any("what the service said of them" in one for one in report.unproven)
    assert "earlier" in " ".join(report.unproven)


def test_a_rejection_blocks_and_a_revocation_lets_go(released, ours):
    released.say(0)
    assert released.verdict(0)["allowed"]
    token = released.service.token("otto", "evidence:read", "approve", roles=("risk",))
    otto = Client(ours.app, token)
    told = {"role": "risk", "decision": "rejected", "comment": "no"}
    path = f"/v1/bundles/{released.digests[0]}/approvals"
    rejected = otto.post(path, told).json["statement"]
    denied = released.verdict(0)
    assert [one["code"] for one in denied["reasons"]] == ["approvals"]
    otto.post(f"{path}/{rejected}/revocation", {})
    assert released.verdict(0)["allowed"]


def test_a_verdict_that_keeps_silent_about_a_rejection_is_refused(released, failing, tmp_path):
    """Whoever has the service's key cannot let an entry that is in the log go unheard."""
    released.say(0, "rejected")
    service = released.service.evidence
    deciding = replace(service.deciding, policy=POLICY)
    policy, asked = deciding.asked("prod")
    record = service.capturing.bundles.get(released.digests[0]).record()
    case, _ = deciding.gathering.case(record, policy, asked)
    deaf = replace(case, approvals=())
    lie = evaluate(policy, asked, deaf, service.now())
    assert lie.beside is not None and lie.beside["approvals"] == []
    issuing = service.issuing
    tests = issuing.sign({TEST_RESULT: stated_tests(record, lie, policy)})
    inputs = deciding.gathering.statements.inputs(record.digest, tests)
    made = tests | issuing.sign({VSA: verification_summary(record, lie, inputs)})
    assert deciding.decisions.add(lie, policy, made)
    wrong, _ = failing(released.archive(0, tmp_path))
    assert any(name.endswith(": verdict") for name in wrong), wrong


def test_a_pass_ends_when_the_approval_is_too_old(released, tokens):
    released.say(0)
    first = released.verdict(0)
    assert first["allowed"]
    later = released.service.evidence.now() + timedelta(hours=50)
    released.client.capture(model=released.model, version="1")
    app = released.service.app(policy=POLICY, now=lambda: later)
    again = Client(app, tokens.admin).get(
        f"/v1/models/{released.model}/versions/1/decision?environment=prod"
    )
    assert "approvals" in [one["code"] for one in again.json["reasons"]]


def test_what_comes_between_looking_and_keeping_is_not_passed_over(released):
    """An approval that arrives while the verdict is made: the verdict is begun again."""
    service = released.service.evidence
    deciding = replace(service.deciding, policy=POLICY)
    policy, asked = deciding.asked("prod")
    stored = service.capturing.bundles.get(released.digests[0])
    looked = []

    def somebody_approves(case):
        looked.append(len(case.approvals))
        if len(looked) == 1:
            released.say(0)

    gathering = Meanwhile(deciding.gathering, after=somebody_approves)
    verdict = replace(deciding, gathering=gathering).judge(policy, asked, stored)
    assert verdict.allowed
    assert looked[0] == 0 and looked[-1] == 1


@pytest.mark.parametrize("when", ["before", "after"])
def test_evidence_that_comes_meanwhile_is_what_is_judged(released, maker, when):
    """Captured anew before the verdict looks, or after: none stands on what is no longer so."""
    service = released.service.evidence
    deciding = replace(service.deciding, policy=POLICY)
    policy, asked = deciding.asked("prod")
    stored = service.capturing.bundles.get(released.digests[0])
    looks = itertools.count()

    def somebody_captures_it_anew(*_):
        if next(looks) == 0:
            maker.client.update_model_version(released.model, "1", "described later")
            released.client.capture(model=released.model, version="1")

    gathering = Meanwhile(deciding.gathering, **{when: somebody_captures_it_anew})
    verdict = replace(deciding, gathering=gathering).judge(policy, asked, stored)
    newest = service.capturing.bundles.latest(f"models/{released.model}/1").digest
    assert newest != stored.digest
    assert verdict.record == newest
    assert (
        released.client.get(
            f"/v1/models/{released.model}/versions/1/decision?environment=prod"
        ).json["record"]
        == newest
    )


def test_an_alias_that_moves_while_it_is_judged_is_looked_up_again(released, maker):
    """The pass on the first holder must not stand: the second one is better."""
    asked = parse(ALIASED).environment("prod")
    service = released.service.evidence
    deciding = replace(service.deciding, policy=parse(ALIASED))
    client = maker.client
    client.set_registered_model_alias(released.model, "production", "1")
    stored = service.capturing.bundles.get(released.digests[0])
    looked = []

    def somebody_moves_it(case):
        looked.append(case.baselines["production"].version)
        if len(looked) == 1:
            client.set_registered_model_alias(released.model, "production", "2")

    gathering = Meanwhile(deciding.gathering, after=somebody_moves_it)
    verdict = replace(deciding, gathering=gathering).judge(deciding.policy, asked, stored)
    assert looked[0] == "1" and looked[-1] == "2"
    assert [one["code"] for one in verdict.reasons] == ["no-regression"]


def test_what_never_holds_still_is_no_verdict(released, maker):
    asked = parse(ALIASED).environment("prod")
    service = released.service.evidence
    deciding = replace(service.deciding, policy=parse(ALIASED))
    stored = service.capturing.bundles.get(released.digests[0])
    holders = itertools.cycle("12")

    def it_moves():
        maker.client.set_registered_model_alias(released.model, "production", next(holders))

    restless = replace(deciding, gathering=Meanwhile(deciding.gathering, before=it_moves))
    with pytest.raises(StillChanging):
        restless.judge(deciding.policy, asked, stored)


def test_what_nobody_looked_up_has_not_passed(released):
    record = released.service.evidence.capturing.bundles.get(released.digests[2]).record()
    asked = POLICY.environment("prod")
    bare = evaluate(POLICY, asked, Case(record), released.service.evidence.now())
    assert {one["code"] for one in bare.reasons} >= {"approvals", "fresh"}


def test_the_way_back_is_not_to_what_was_judged_of_an_earlier_namesake(service, maker, tokens):
    """A model that was deleted and made again counts its versions from 1 anew."""
    rule = b"{rule: rollback-target, target: {alias: production}, if_no_target: pass}"
    policy = parse(b"{version: 1, environments: {prod: {rules: [" + rule + b"]}}}")
    client = Client(service.app(policy=policy), tokens.admin)
    model = maker.new_name("again")
    path = f"/v1/models/{model}/versions/{{}}/decision?environment=prod"
    maker.version(model, maker.run())
    client.capture(model=model, version="1")
    assert client.get(path.format(1)).json["allowed"]
    maker.client.delete_registered_model(model)
    for _ in range(2):
        maker.version(model, maker.run())
    maker.client.set_registered_model_alias(model, "production", "1")
    client.capture(model=model, version="2")
    (reason,) = client.get(path.format(2)).json["reasons"]
    assert reason["found"] == "version 1, which was never judged"


def test_an_erasure_does_not_make_a_rejection_unsaid(released, failing, maker, tmp_path):
    """The rejection goes with its record; then what was approved before counts no more either."""
    released.say(0, "rejected")
    maker.client.update_model_version(released.model, "1", "described anew")
    second = released.client.capture(model=released.model, version="1").json["digest"]
    token = released.service.token("otto", "evidence:read", "approve", roles=("risk",))
    otto = Client(released.client.app, token)
    told = {"role": "risk", "decision": "approved"}
    assert otto.post(f"/v1/bundles/{second}/approvals", told).status_code == 201
    assert not released.verdict(0)["allowed"]
    erased = released.client.post(
        f"/v1/bundles/{released.digests[0]}/erasure", {"reason": "a patient's name"}
    )
    assert erased.status_code == 200, erased.text
    assert "approvals" in [one["code"] for one in released.verdict(0)["reasons"]]
    (listed,) = released.client.get(f"/v1/bundles/{second}/approvals").json["approvals"]
    assert (listed["approver"], listed["state"]) == ("otto", "before-erasure")
    released.digests[0] = second
    assert failing(released.archive(0, tmp_path))[0] == {}
    assert otto.post(f"/v1/bundles/{second}/approvals", told).status_code == 201
    verdict = released.verdict(0)
    assert verdict["allowed"], verdict["reasons"]
    held = failing(released.archive(0, tmp_path), now=verdict["evaluated_at"], decision="prod")
    assert held[0] == {}
