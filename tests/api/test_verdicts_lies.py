"""Verdicts that lie about what they were made from: signed with the service's key, in the log."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlflow_evidence_plugin.errors import BadVerdict
from mlflow_evidence_plugin.policy import PREVIOUS, Baseline, Target, evaluate, parse
from mlflow_evidence_plugin.signing import Keyring
from mlflow_evidence_plugin.statements import TEST_RESULT, VSA
from mlflow_evidence_plugin.statements.decision import test_result_statement as stated_tests
from mlflow_evidence_plugin.statements.decision import verification_summary
from mlflow_evidence_plugin.verify import Expected, verify_archive
from mlflow_evidence_plugin.verify.beside import case_again
from mlflow_evidence_plugin.verify.foreign import Foreign
from mlflow_evidence_plugin.verify.stated import Stated
from tests.api.test_verdicts_again import Released
from tests.contract.checked import Client
from tests.unit import samples

RULES = """
version: 1
environments:
  prod:
    rules:
      - {rule: no-regression, metric: auc, baseline: previous, if_no_baseline: pass}
      - {rule: no-regression, metric: auc, baseline: {digest: "DIGEST"}}
      - {rule: trend, metric: auc, runs: 3, at_least: 2}
      - {rule: rollback-target, if_no_target: pass}
"""


@pytest.fixture(scope="module")
def shelf(service, maker, tokens):
    """Three versions, and the policy that fixes the evidence of the second as a baseline."""
    ours = Client(service.app(), tokens.admin)
    return Released(service, maker, ours)


def lied(shelf, change):
    """The archive's verdict on the third version, made from a case that somebody has changed."""
    service = shelf.service.evidence
    policy = parse(RULES.replace("DIGEST", shelf.digests[1]).encode())
    deciding = replace(service.deciding, policy=policy)
    _, asked = deciding.asked("prod")
    records = [service.capturing.bundles.get(one).record() for one in shelf.digests]
    case, _ = deciding.gathering.case(records[2], policy, asked)
    lie = evaluate(policy, asked, change(case, records), service.now())
    tests = service.issuing.sign({TEST_RESULT: stated_tests(records[2], lie, policy)})
    inputs = deciding.gathering.statements.inputs(records[2].digest, tests)
    made = tests | service.issuing.sign({VSA: verification_summary(records[2], lie, inputs)})
    assert deciding.decisions.add(lie, policy, made)
    return lie


def first_release(case, _):
    return replace(case, baselines={**case.baselines, PREVIOUS: Baseline()})


def another_fixed_baseline(case, records):
    fixed = records[1].digest
    return replace(case, baselines={**case.baselines, fixed: Baseline("1", records[0])})


def one_run_twice(case, records):
    return replace(case, earlier=(records[0], records[0]))


def no_way_back_is_needed(case, _):
    return replace(case, targets={PREVIOUS: Target()})


def another_way_back(case, _):
    until = "2100-01-01T00:00:00.000Z"
    return replace(case, targets={PREVIOUS: Target("1", "passed", "sha256:" + "0" * 64, until)})


LIES = (
    first_release,
    another_fixed_baseline,
    one_run_twice,
    no_way_back_is_needed,
    another_way_back,
)


def newest_verdict(shelf, folder):
    """What the verifier says of the last verdict in the archive."""
    trusted = Keyring.of([(shelf.service.home / "public-key.pem").read_bytes()])
    asked = Expected("2100-01-01T00:00:00.000Z")
    report = verify_archive(shelf.archive(2, folder), trusted, asked)
    return [one for one in report.checks if one.name.endswith(": verdict")][-1]


@pytest.mark.parametrize("lie", LIES, ids=lambda one: one.__name__)
def test_a_lie_about_what_the_record_tells_is_found(shelf, lie, tmp_path):
    lied(shelf, lie)
    assert not newest_verdict(shelf, tmp_path).passed


def test_the_truth_is_derived_again(shelf, tmp_path):
    lied(shelf, lambda case, _: case)
    found = newest_verdict(shelf, tmp_path)
    assert found.passed, found.detail


def test_an_attestation_of_other_files_does_not_count_again():
    record = samples.record()
    about = Foreign("t", ("0" * 64,), True)
    before = [Stated("a", "sha256:" + "1" * 64, b"", "", None, about)]
    one = {"kind": "t", "signer": "ci", "received_at": "2026-06-01T12:00:00.000Z"}
    told = {"attestations": [one | {"statement": before[0].digest}]}
    with pytest.raises(BadVerdict, match="other files"):
        case_again(record, {}, told, before, {})
    before = [replace(before[0], said=replace(about, roots=(record.root,)))]
    assert len(case_again(record, {}, told, before, {}).attestations) == 1
