"""Each rule: what passes it, what fails it, and that what cannot be known fails it too."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlflow_evidence_plugin.approval import APPROVED, REJECTED, REVOKED, Approval
from mlflow_evidence_plugin.policy import (
    FOR_OTHERS,
    PREVIOUS,
    RULES,
    Attested,
    Baseline,
    Case,
    Needs,
    RuleSpec,
    Target,
    parse,
)
from mlflow_evidence_plugin.policy.duties import hand_in
from mlflow_evidence_plugin.policy.model import Environment
from mlflow_evidence_plugin.record import record_of
from mlflow_evidence_plugin.snapshot import Artifact, Dataset, Gap, Secret
from tests.unit import samples
from tests.unit.records import records

AT = "2026-06-01T12:00:00.000Z"
DIGEST = "sha256:" + "1" * 64
CLEAN = {"evidence.git.commit": "c" * 40, "evidence.git.dirty": "false", "evidence.owner": "jane"}
SECRET = Secret("parameters/password", "AWS Access Key", "f1")


def run(rule, case, **options):
    return RULES[rule](case, options)


def of(record=None, **beside):
    return Case(record or samples.record(), at=AT, **beside)


def tagged(**tags):
    return samples.record(tags={name.replace("__", "."): value for name, value in tags.items()})


def made(tags=None, **changes):
    return samples.record(tags=CLEAN if tags is None else tags, **changes)


def image(reference):
    return made({"evidence.image": reference})


def test_a_tag_must_match_its_pattern_whole():
    options = {"patterns": {"ticket": "CHG[0-9]+"}}
    assert run("required-tags", of(tagged(evidence__ticket="CHG12")), **options).passed
    for wrong in ("CHG", "xCHG12", "CHG12 or so", "chg12", ""):
        found = run("required-tags", of(tagged(evidence__ticket=wrong)), **options)
        assert not found.passed and "ticket" in found.found, wrong
    missing = run("required-tags", of(), **options)
    assert (missing.passed, missing.found) == (False, "missing: ticket")
    assert missing.asked == "tags ticket matching CHG[0-9]+"


def test_a_tag_that_is_merely_called_ticket_is_no_ticket():
    case = of(tagged(ticket="CHG12", squad="a"))
    found = run("required-tags", case, tags=["ticket", "squad"])
    assert (found.passed, found.found) == (False, "missing: ticket")
    assert "set evidence.ticket on the run" in found.mend
    assert not run("required-tags", case, tags=[], patterns={"evidence.ticket": "CHG.*"}).passed
    assert run("required-tags", of(tagged(evidence__ticket="CHG12")), tags=["ticket"]).passed


@pytest.mark.parametrize("blank", ["  ", "\u200b", "\u00a0\u2060"])
def test_a_tag_in_which_nobody_sees_anything_is_missing(blank):
    assert not run("required-tags", of(tagged(evidence__owner=blank)), tags=["owner"]).passed


def test_a_pattern_that_would_backtrack_for_ever_does_not():
    hostile = tagged(evidence__ticket="a" * 5_000 + "!")
    assert not run("required-tags", of(hostile), patterns={"ticket": "(a+)+"}).passed


@pytest.mark.parametrize("rule", ["required-tags", "required-metrics", "metric-threshold"])
def test_a_claim_does_not_pass_for_an_observation(rule):
    options = {
        "required-tags": {"tags": ["owner"]},
        "required-metrics": {"metrics": ["auc"]},
        "metric-threshold": {"metric": "auc", "min": 0.5},
    }[rule]
    assert run(rule, of(), **options).passed
    assert run(rule, of(), **options, basis="claimed").passed
    for basis in ("observed", "attested"):
        found = run(rule, of(), **options, basis=basis)
        assert not found.passed and found.mend
        assert basis in found.asked and "weaker" in found.found


def test_what_was_observed_passes_for_that():
    options = {"accept": ["files"], "basis": "observed"}
    files = (Artifact("model/conda.yaml", 3, "ab" * 32),)
    assert run("environment-locked", of(made(artifacts=files)), **options).passed
    assert run("artifacts-present", of(), paths=["a.txt"], basis="observed").passed
    assert not run("artifacts-present", of(), paths=["a.txt"], basis="attested").passed
    assert run("max-cost", of(), max_minutes=2, basis="observed").passed


@pytest.mark.parametrize("key", [PREVIOUS, DIGEST])
def test_a_regression_is_measured_against_the_previous_version_or_a_fixed_one(key):
    baseline = "previous" if key == PREVIOUS else {"digest": DIGEST}
    options = {"metric": "auc", "baseline": baseline}
    for value, passed in ((0.9, True), (0.85, True), (0.95, False)):
        case = of(baselines={key: Baseline("6", samples.record({"auc": value}, "6"))})
        assert run("no-regression", case, **options).passed is passed
    unknown = (Baseline("6"), Baseline(problem="the store is away"), None)
    for one in unknown:
        case = of(baselines={} if one is None else {key: one})
        found = run("no-regression", case, **options, if_no_baseline="pass")
        assert not found.passed and found.mend
    lacking = of(baselines={key: Baseline("6", samples.record({}, "6"))})
    assert not run("no-regression", lacking, **options).passed


def test_there_may_be_no_previous_version_but_a_fixed_one_must_be_there():
    first = {"metric": "auc", "if_no_baseline": "pass"}
    case = of(baselines={PREVIOUS: Baseline(), DIGEST: Baseline()})
    assert run("no-regression", case, baseline="previous", **first).passed
    assert not run("no-regression", case, baseline="previous", metric="auc").passed
    assert not run("no-regression", case, baseline={"digest": DIGEST}, **first).passed


@pytest.mark.parametrize(
    ("value", "share", "passed"),
    [(1.0, 0.1, True), (1.01, 0.1, False), (-1.0, 0.1, True), (0.9, 0, True), (0.91, 0, False)],
)
def test_a_relative_tolerance_is_a_share_of_the_baselines_value(value, share, passed):
    case = of(baselines={"a": Baseline("6", samples.record({"auc": value}, "6"))})
    options = {"metric": "auc", "baseline": {"alias": "a"}, "relative_tolerance": share}
    assert run("no-regression", case, **options).passed is passed


def test_a_share_of_a_negative_value_is_still_a_tolerance():
    options = {"metric": "auc", "baseline": {"alias": "a"}, "relative_tolerance": 0.1}
    baselines = {"a": Baseline("6", samples.record({"auc": -1.0}, "6"))}
    for value, passed in ((-1.1, True), (-1.2, False)):
        case = of(samples.record({"auc": value}), baselines=baselines)
        assert run("no-regression", case, **options).passed is passed


def earlier(*values):
    return tuple(samples.record({} if one is None else {"auc": one}) for one in values)


@pytest.mark.parametrize(
    ("values", "options", "passed"),
    [
        ((0.9, 0.8, 0.7), {}, True),
        ((0.95, 0.95, 0.1), {}, False),
        ((0.95, 0.95, 0.1), {"tolerance": 0.05}, True),
        ((0.95, 0.95, 0.1), {"relative_tolerance": 0.06}, True),
        ((0.95, 0.95, 0.1), {"direction": "lower"}, True),
        ((0.1, 0.1, 0.1), {"direction": "lower"}, False),
        ((0.95, 0.1), {}, False),
        ((0.95, 0.1), {"if_too_few": "pass"}, True),
        ((0.95, None, float("nan"), 0.1), {}, False),
        ((0.1, 0.1, 0.1, 0.95, 0.95, 0.95, 0.95), {"runs": 3}, True),
        ((0.1, 0.1, 0.1, 0.95, 0.95, 0.95, 0.95), {"runs": 7}, False),
        ((0.95,), {"runs": 1}, False),
        ((), {}, False),
    ],
)
def test_a_trend_is_the_median_of_the_last_runs(values, options, passed):
    found = run("trend", of(earlier=earlier(*values)), metric="auc", **options)
    assert found.passed is passed, found


def test_a_metric_that_is_missing_or_no_number_has_no_trend():
    for value in (None, float("nan"), float("inf")):
        record = samples.record({} if value is None else {"auc": value})
        case = of(record, earlier=earlier(0.1, 0.1, 0.1))
        assert not run("trend", case, metric="auc", if_too_few="pass").passed


def test_datasets_must_be_recorded_with_a_digest():
    assert run("dataset-recorded", of()).passed
    assert run("dataset-recorded", of(), context="training").passed
    assert not run("dataset-recorded", of(), context="evaluation").passed
    assert not run("dataset-recorded", of(samples.record(inputs=()))).passed
    nameless = samples.record(inputs=(Dataset("loans", "", "code", "{}", "training"),))
    assert not run("dataset-recorded", of(nameless)).passed


@pytest.mark.parametrize(
    ("tags", "passed"),
    [
        (CLEAN, True),
        (CLEAN | {"evidence.git.dirty": "true"}, False),
        ({k: v for k, v in CLEAN.items() if "dirty" not in k}, False),
        ({k: v for k, v in CLEAN.items() if "commit" not in k}, False),
        ({"mlflow.source.git.commit": "c" * 40}, False),
        ({}, False),
    ],
)
def test_code_is_clean_only_where_the_run_says_so(tags, passed):
    assert run("code-clean", of(made(tags))).passed is passed


def test_an_environment_is_locked_by_a_digest():
    assert not run("environment-locked", of()).passed
    assert run("environment-locked", of(made({"evidence.env.digest": DIGEST}))).passed
    assert run("environment-locked", of(image(f"registry/a@{DIGEST}"))).passed
    assert not run("environment-locked", of(image("registry/a:latest"))).passed
    assert not run("environment-locked", of(image(f"registry/a@{DIGEST}")), accept=["files"]).passed


def test_one_lock_of_the_asked_basis_is_enough():
    files = (Artifact("conda.yaml", 3, "ab" * 32),)
    both = made({"evidence.env.digest": DIGEST}, artifacts=files)
    options = {"accept": ["distributions", "files"], "basis": "observed"}
    assert run("environment-locked", of(both), **options).passed
    assert not run(
        "environment-locked", of(made({"evidence.env.digest": DIGEST})), **options
    ).passed


@pytest.mark.parametrize(
    ("options", "passed"),
    [
        ({"paths": ["model.pkl", "a.*"]}, True),
        ({"paths": ["model/*.pkl"], "of": "run"}, True),
        ({"paths": ["a.txt"], "of": "model"}, False),
        ({"paths": ["model.pkl"], "of": "run"}, False),
        ({"paths": ["a.txt", "b.txt"]}, False),
        ({"paths": ["*"], "max_bytes": 3}, True),
        ({"paths": ["*"], "max_bytes": 2}, False),
        ({"paths": ["A.TXT"]}, False),
    ],
)
def test_artifacts_are_asked_for_by_pattern(options, passed):
    assert run("artifacts-present", of(), **options).passed is passed


def test_a_name_with_brackets_is_a_name():
    files = (Artifact("data[1].csv", 1, "ab" * 32), Artifact("report1.md", 1, "ab" * 32))
    record = samples.record(artifacts=files)
    assert run("artifacts-present", of(record), paths=["data[1].csv", "*[1].csv"]).passed
    assert not run("artifacts-present", of(record), paths=["report[0-9].md"]).passed


def test_a_file_of_the_model_does_not_hide_the_runs_of_the_same_name():
    large = Artifact("model.pkl", 1_000, "ab" * 32)
    record = record_of(
        samples.version(source=samples.run(artifacts=(large,)), files=(replace(large, size=1),)),
        samples.STORE,
    )
    found = run("artifacts-present", of(record), paths=["model.pkl"], max_bytes=100)
    assert (found.passed, found.found) == (False, "larger: model.pkl")
    assert run("artifacts-present", of(record), paths=["*"], max_bytes=100, of="model").passed


def signed(signature, path="model", source="runs:/x/model", files=("model.pkl",)):
    history = json.dumps([{"artifact_path": path, "signature": signature}])
    source_run = samples.run(tags={"mlflow.log-model.history": history})
    kept = tuple(Artifact(name, 3, "ab" * 32) for name in files)
    return record_of(
        samples.version(source=source_run, files=kept)
        if source == "runs:/x/model"
        else replace(samples.version(source=source_run, files=kept), source=source),
        samples.STORE,
    )


def test_a_model_has_a_signature_or_an_example():
    example = signed(None, files=("model.pkl", "input_example.json"))
    assert run("signature-model", of(example)).passed
    assert not run("signature-model", of(example), require=["signature"]).passed
    noted = signed({"inputs": "[]"})
    assert run("signature-model", of(noted)).passed
    assert run("signature-model", of(noted), require=["signature"]).passed
    assert not run("signature-model", of(noted), require=["signature", "input_example"]).passed


@pytest.mark.parametrize(("told", "passed"), [((("inputs", "[]"),), True), ((), False)])
def test_what_the_models_own_file_says_of_its_signature_counts(told, passed):
    file = Artifact("MLmodel", 3, "ab" * 32, told)
    noted = {
        "mlflow.log-model.history": '[{"artifact_path": "model", "signature": {"inputs": "[]"}}]'
    }
    made = samples.version(source=samples.run(tags=noted), files=(file,))
    found = run("signature-model", of(record_of(made, samples.STORE)), require=["signature"])
    assert found.passed is passed
    assert f"signature: {'yes' if passed else 'no'}" in found.found


def test_a_signature_of_which_nothing_is_said_is_unknown():
    other = signed({"inputs": "[]"}, path="other")
    for record in (samples.record(), other, tagged(**{"mlflow.log-model.history": "[masked]"})):
        found = run("signature-model", of(record))
        assert not found.passed and "signature: unknown" in found.found
    hollow = record_of(samples.version(files=()), "s")
    assert "input example: unknown" in run("signature-model", of(hollow)).found


BOB = Approval(DIGEST, "bob", "risk", "observed", APPROVED, "", "2026-06-01T08:00:00.000Z")


def approved(*entries, record=None, release=None, **options):
    record = record or samples.record()
    mine = tuple(
        replace(one, statement=one.statement[:-1] + str(n), release=one.release or record.release)
        for n, one in enumerate(entries)
    )
    return run("approvals", of(record, approvals=mine), **options)


def test_an_approval_of_this_release_counts():
    assert approved(BOB).passed
    assert approved(BOB, replace(BOB, approver="carl"), n=2).passed
    assert approved(BOB, roles=["risk"]).passed
    assert approved(BOB).until is None


ENTRIES = {
    "none": (),
    "of-earlier-evidence": (replace(BOB, release=DIGEST),),
    "without-the-role": (replace(BOB, role="intern"),),
    "the-run's-own-user": (replace(BOB, approver="jane"),),
    "the-owner-by-mail": (replace(BOB, approver="Jane@Example.org"),),
    "after-expiry": (replace(BOB, expires_at="2026-06-01T12:00:00.000Z"),),
    "too-old": (replace(BOB, at="2026-05-01T08:00:00.000Z"),),
    "to-come": (replace(BOB, at="2026-06-02T08:00:00.000Z"),),
    "of-no-time": (replace(BOB, at="yesterday"),),
    "only-claimed": (replace(BOB, basis="claimed"),),
    "of-an-unknown-basis": (replace(BOB, basis="guessed"),),
    "an-unknown-decision": (replace(BOB, decision="perhaps"),),
    "rejected-by-another": (BOB, replace(BOB, approver="carl", decision=REJECTED)),
    "taken-back": (BOB, replace(BOB, decision=REVOKED, revokes=DIGEST[:-1] + "0")),
}


@pytest.mark.parametrize("entries", ENTRIES.values(), ids=ENTRIES)
def test_what_is_no_approval_does_not_count(entries):
    found = approved(*entries, roles=["risk"], max_age_hours=48)
    assert not found.passed and found.mend
    assert not approved(*entries, n=1, roles=["risk"], max_age_hours=48).passed


def test_approving_twice_is_approving_once():
    mail = replace(BOB, approver="Bob@example.org")
    assert not approved(BOB, BOB, n=2).passed
    found = approved(BOB, mail, n=2)
    assert not found.passed and "counts once" in found.found
    other = replace(BOB, approver="bob@example.com")
    assert approved(mail, other, n=2).passed
    assert not approved(mail, other, BOB, n=2).passed


def test_a_rejection_without_the_role_or_taken_back_or_run_out_does_not_block():
    no = replace(BOB, approver="carl", decision=REJECTED)
    assert not approved(BOB, no).passed
    assert approved(BOB, replace(no, role="intern"), roles=["risk"]).passed
    assert approved(BOB, replace(no, release=DIGEST)).passed
    assert approved(BOB, replace(no, expires_at="2026-06-01T11:00:00.000Z")).passed
    back = replace(no, decision=REVOKED, revokes=DIGEST[:-1] + "1")
    assert approved(BOB, no, back).passed


@pytest.mark.parametrize(
    "tags",
    [
        {"evidence.owner": "bob"},
        {"evidence.resumed.owner": "bob"},
        {"mlflow.user": "BOB"},
        {"evidence.owner": "Bob Marley <bob@example.org>"},
        {"evidence.owner": "mailto:bob@example.org"},
        {"evidence.owner": "ana@example.org; bob"},
        {"evidence.owner": "team-credit (bob)"},
        {"evidence.owner": "EXAMPLE\\bob"},
    ],
)
def test_nobody_approves_what_they_had_a_hand_in(tags):
    record = samples.record(tags=tags)
    assert not approved(BOB, record=record).passed
    assert approved(BOB, record=record, separation_of_duties=False).passed


@pytest.mark.parametrize(
    ("owner", "person"),
    [
        ("Pat O'Brien <pat.o'brien@example.org>", "pat.o'brien@example.org"),
        ("Jose\u0301 Ruiz <jose\u0301@example.org>", "jos\u00e9@example.org"),
        ("ask ana@example.org.", "ana@example.org"),
        ("ana", "EXAMPLE\\ana"),
        ("-ana", "ana"),
        ("ana", "Ana Ruiz <ana@example.org>"),
        ("Ana Ruiz <ana@example.org>", "Ana Ruiz"),
        ("Ruiz, Ana (ML)", "ana ruiz"),
        ("Ana <ana_example.org#EXT#@contoso.onmicrosoft.com>", "ana@example.org"),
        ("ana@example.org", "ana_example.org#EXT#@contoso.onmicrosoft.com"),
    ],
)
def test_who_had_a_hand_in_it_is_known_by_each_usual_name(owner, person):
    assert hand_in(made({"evidence.owner": owner}), person) == "the owner"


@pytest.mark.parametrize(
    ("owner", "person"),
    [
        ("ML Platform Team", "Risk Team"),
        ("Ana Ruiz", "Ana Gomez"),
        ("ana@example.org", "ana@partner.example"),
        ("risk", "risk-bot"),
        ("", "bob"),
        ("bob", " "),
    ],
)
def test_and_who_shares_a_word_with_an_owner_is_another(owner, person):
    assert hand_in(made({"evidence.owner": owner}), person) is None


def test_where_nobody_is_known_to_have_made_it_nobody_is_another():
    nobody = record_of(
        samples.version(source=samples.run(tags={}, user=""), creator=""), samples.STORE
    )
    assert not approved(BOB, record=nobody).passed
    assert approved(BOB, record=nobody, separation_of_duties=False).passed


def test_approvals_of_which_the_end_is_known_say_so():
    soon, late = (replace(BOB, expires_at=f"2026-06-0{day}T00:00:00.000Z") for day in (2, 3))
    late = replace(late, approver="carl")
    assert approved(soon, late).until == late.expires_at
    assert approved(soon, late, n=2).until == soon.expires_at
    assert approved(soon, replace(BOB, approver="dora")).until is None
    assert approved(BOB, max_age_hours=24).until == "2026-06-02T08:00:00.000Z"


def test_without_a_time_nobody_has_approved():
    case = replace(of(approvals=(replace(BOB, release=samples.record().release),)), at="")
    assert not run("approvals", case).passed


PASSED = Target("6", "passed", DIGEST, "2026-06-02T00:00:00.000Z")
RAN_OUT = replace(PASSED, expires_at="2026-06-01T12:00:00.000Z")


@pytest.mark.parametrize(
    ("target", "options", "passed"),
    [
        (PASSED, {}, True),
        (RAN_OUT, {}, False),
        (RAN_OUT, {"accept_expired": True}, True),
        (replace(PASSED, status="failed"), {"accept_expired": True}, False),
        (replace(PASSED, status="pending"), {"accept_expired": True}, False),
        (replace(PASSED, expires_at=None), {}, False),
        (Target("6"), {"accept_expired": True}, False),
        (Target(problem="the store is away"), {"if_no_target": "pass"}, False),
        (replace(PASSED, version="7"), {}, False),
        (Target(), {}, False),
        (Target(), {"if_no_target": "pass"}, True),
        (None, {"if_no_target": "pass"}, False),
    ],
)
@pytest.mark.parametrize("key", [PREVIOUS, "before"])
def test_the_way_back_must_itself_be_released(key, target, options, passed):
    named = "previous" if key == PREVIOUS else {"alias": key}
    case = of(targets={} if target is None else {key: target})
    found = run("rollback-target", case, target=named, **options)
    assert found.passed is passed, found
    assert found.passed or found.mend


def test_a_way_back_that_failed_for_others_sake_still_has_its_pass_of_before():
    assert set(RULES) > FOR_OTHERS
    failed = Target("4", "failed", DIGEST, "2099-01-01T00:00:00.000Z")
    before = replace(failed, passed_at="2026-05-01T00:00:00.000Z")
    rule = partial(run, "rollback-target")
    assert not rule(of(targets={PREVIOUS: failed}), accept_expired=True).passed
    assert rule(of(targets={PREVIOUS: before}), accept_expired=True).passed
    refused = rule(of(targets={PREVIOUS: before}))
    assert not refused.passed and "accept_expired" in refused.mend
    itself = Target(samples.record().subject.version)
    assert "leave the alias old" in rule(of(targets={"old": itself}), target={"alias": "old"}).mend


@pytest.mark.parametrize(
    ("address", "options", "passed"),
    [
        ("https://grafana.example.org/d/1", {}, True),
        ("https://grafana.example.org/d/1", {"hosts": ["*.example.org"]}, True),
        ("https://grafana.example.org.evil.com/", {"hosts": ["*.example.org"]}, False),
        ("https://evil.com/?grafana.example.org", {"hosts": ["*.example.org"]}, False),
        ("http://grafana.example.org/", {}, False),
        ("in the team's channel", {}, False),
        ("https://[", {}, False),
        ("https://evil.example\\@grafana.example.org/", {"hosts": ["*.example.org"]}, False),
        ("https://evil.example@grafana.example.org/", {"hosts": ["*.example.org"]}, False),
        ("https://grafana.example.org:99999999/", {}, False),
        ("https://grafana.example.org/\u202e", {}, False),
        ("https://", {}, False),
        ("", {}, False),
    ],
)
def test_monitoring_is_an_address(address, options, passed):
    case = of(tagged(evidence__monitoring=address))
    assert run("monitoring-signal", case, **options).passed is passed


def test_monitoring_that_nobody_names_is_none():
    assert not run("monitoring-signal", of()).passed


def test_a_secret_that_was_found_blocks():
    assert run("no-findings", of()).passed
    leaked = samples.record(secrets=(SECRET,))
    found = run("no-findings", of(leaked), if_not_scanned="pass")
    assert not found.passed and "parameters/password" in found.found


@pytest.mark.parametrize("place", ["outputs/log.txt", "model_files", "run"])
def test_what_was_not_looked_into_is_unknown(place):
    dark = samples.record(gaps=(Gap(place, "not-scanned", "too large"),))
    assert not run("no-findings", of(dark)).passed
    assert run("no-findings", of(dark), if_not_scanned="pass").passed
    other = samples.record(gaps=(Gap("lineage/previous_version", "unreadable", "x"),))
    assert run("no-findings", of(other)).passed


@pytest.mark.parametrize(
    ("options", "passed"),
    [
        ({"max_minutes": 1}, True),
        ({"max_minutes": 0.9}, False),
        ({"max_bytes": 4}, True),
        ({"max_bytes": 3}, False),
        ({"max_minutes": 1, "max_bytes": 3}, False),
    ],
)
def test_a_run_may_cost_only_so_much(options, passed):
    assert run("max-cost", of(), **options).passed is passed


def test_a_cost_that_is_unknown_is_too_much():
    endless = of(samples.record(end_time=None))
    assert not run("max-cost", endless, max_minutes=1_000_000).passed


@pytest.mark.parametrize(
    ("captured_at", "options", "passed"),
    [
        ("2026-06-01T11:00:00.000Z", {"max_age_hours": 1}, True),
        ("2026-06-01T10:59:59.000Z", {"max_age_hours": 1}, False),
        (None, {"max_age_hours": 1}, False),
        ("soon", {"max_age_hours": 1}, False),
        (None, {"max_run_age_hours": 10}, False),
        (None, {"max_run_age_hours": 100_000}, True),
    ],
)
def test_evidence_and_run_must_be_fresh(captured_at, options, passed):
    found = run("fresh", of(captured_at=captured_at), **options)
    assert found.passed is passed, found
    assert (found.until is not None) is passed


def test_what_is_of_a_time_to_come_is_not_fresh_until_then():
    at = "2023-11-14T22:00:00.000Z"  # the run says that it ended later than that
    ended = samples.record().value("run", "ended")
    found = run("fresh", replace(of(), at=at), max_run_age_hours=24)
    assert ended > at and (found.passed, found.until) == (False, ended)
    assert "a time to come" in found.found


def test_a_run_that_says_it_ended_at_the_end_of_time_is_not_fresh():
    record = samples.record(end_time=253_402_300_799_000)
    assert record.value("run", "ended").startswith("9999-12-31")
    assert not run("fresh", of(record), max_run_age_hours=24).passed


def test_an_image_is_fixed_by_a_whole_digest_alone():
    for wrong in ("r/app@sha256:latest", "r/app@sha256:", f"r/app@sha256:{'a' * 63}"):
        assert not run("environment-locked", of(image(wrong)), accept=["image"]).passed, wrong


def test_a_rejection_that_ends_says_when():
    ends = "2026-06-01T18:00:00.000Z"
    no = replace(BOB, statement="sha256:" + "d" * 64, decision=REJECTED, expires_at=ends)
    assert (approved(no).passed, approved(no).until) == (False, ends)


def test_a_person_is_one_however_the_letters_are_written():
    composed, apart = "jos\u00e9", "jose\u0301"
    record = made({"evidence.owner": composed})
    assert hand_in(record, apart) == "the owner"


def test_a_run_that_has_not_ended_and_a_missing_clock_are_not_fresh():
    assert not run("fresh", of(samples.record(end_time=None)), max_run_age_hours=9e5).passed
    timeless = Case(samples.record(), captured_at=AT)
    assert not run("fresh", timeless, max_age_hours=1).passed


SLSA = Attested(DIGEST, "https://slsa.dev/provenance/v1", "build", "2026-06-01T00:00:00.000Z")


@pytest.mark.parametrize(
    ("found", "options", "passed"),
    [
        ((SLSA,), {}, True),
        ((SLSA,), {"signers": ["build"], "max_age_hours": 12}, True),
        ((SLSA,), {"max_age_hours": 11}, False),
        ((SLSA,), {"signers": ["other"]}, False),
        ((replace(SLSA, kind="https://in-toto.io/x"),), {}, False),
        ((replace(SLSA, received_at="?"),), {"max_age_hours": 12}, False),
        ((), {}, False),
    ],
)
def test_an_attestation_of_a_type_and_signer_is_asked_for(found, options, passed):
    case = of(attestations=found)
    said = run("attested", case, type="https://slsa.dev/provenance/*", **options)
    assert said.passed is passed, said
    assert said.mend
    assert (said.until is not None) is (passed and "max_age_hours" in options)


ASKED = {
    "tracked-run": [{}],
    "run-finished": [{}],
    "required-tags": [{"tags": ["owner", "x"]}, {"patterns": {"owner": "a+|b"}}],
    "required-metrics": [{"metrics": ["auc"]}],
    "metric-threshold": [{"metric": "auc", "min": 0}, {"metric": "auc", "max": 1}],
    "no-regression": [
        {"metric": "auc", "baseline": {"alias": "a"}},
        {"metric": "auc", "baseline": "previous", "relative_tolerance": 0.1},
        {"metric": "auc", "baseline": {"digest": DIGEST}},
    ],
    "trend": [{"metric": "auc", "runs": 2}],
    "dataset-recorded": [{}, {"context": "training"}],
    "code-clean": [{}],
    "environment-locked": [{}, {"accept": ["files"]}],
    "artifacts-present": [{"paths": ["*"]}, {"paths": ["[a", "x"], "max_bytes": 1}],
    "signature-model": [{}, {"require": ["signature"]}],
    "approvals": [{}, {"n": 2, "roles": ["risk"]}],
    "rollback-target": [{}],
    "monitoring-signal": [{}],
    "no-findings": [{}],
    "max-cost": [{"max_minutes": 1, "max_bytes": 1}],
    "fresh": [{"max_age_hours": 1, "max_run_age_hours": 1}],
    "attested": [{"type": "*"}],
    "expression": [{"expression": "metrics.auc > 0.5"}, {"expression": "size(params) >= 0"}],
}
"""Every rule, as policies ask for it."""


@given(records(), records(), st.sampled_from(sorted(ASKED)), st.sampled_from(["observed", None]))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_rule_ever_raises(record, other, rule, basis):
    beside = {"baselines": {key: Baseline("6", other) for key in ("a", PREVIOUS, DIGEST)}}
    full = of(record, **beside, earlier=(other, record, other), approvals=(BOB,))
    for case in (Case(record), of(record), full):
        for options in ASKED[rule]:
            found = RULES[rule](case, options | ({"basis": basis} if basis else {}))
            assert isinstance(found.passed, bool)
            assert found.passed or (found.found and found.asked and found.mend)
            assert RULES[rule](case, options | ({"basis": basis} if basis else {})) == found


@given(st.sampled_from(sorted(set(ASKED) - {"no-findings"})), st.data())
def test_nothing_passes_where_nothing_is_known(rule, data):
    blank = record_of(samples.version(run=None, run_id=None, files=(), creator=""), "s")
    options = data.draw(st.sampled_from(ASKED[rule]))
    if options.get("expression", "").startswith("size"):
        return
    assert not RULES[rule](of(blank), options).passed


def test_every_rule_is_tried_above():
    assert set(ASKED) == set(RULES)


def test_what_must_be_looked_up_is_known_from_the_rules():
    rules = [
        RuleSpec("no-regression", {"metric": "a", "baseline": {"alias": "champion"}}, True),
        RuleSpec("no-regression", {"metric": "a", "baseline": "previous"}, True),
        RuleSpec("no-regression", {"metric": "a", "baseline": {"digest": DIGEST}}, False),
        RuleSpec("trend", {"metric": "a"}, True),
        RuleSpec("trend", {"metric": "a", "runs": 9}, True),
        RuleSpec("approvals", {}, True),
        RuleSpec("attested", {"type": "*"}, True),
        RuleSpec("rollback-target", {}, True),
        RuleSpec("rollback-target", {"target": {"alias": "old"}}, True),
        RuleSpec("fresh", {"max_age_hours": 1}, True),
    ]
    environment = Environment("prod", tuple(rules), 24)
    assert environment.needs == Needs(
        (PREVIOUS, "champion", DIGEST), True, True, 9, (PREVIOUS, "old"), True
    )
    assert environment.baseline_aliases == ("champion",)
    plain = RuleSpec("fresh", {"max_run_age_hours": 1}, True)
    assert Environment("prod", (plain,), 24).needs == Needs(captured_at=True)  # its time is told


@pytest.mark.parametrize(("rule", "options"), [(r, o) for r in ASKED for o in ASKED[r]])
def test_a_policy_reads_back_from_its_canonical_form(rule, options):
    document = {"version": 1, "environments": {"prod": {"rules": [{"rule": rule, **options}]}}}
    policy = parse(json.dumps(document).encode())
    again = parse(policy.canonical)
    assert again.digest == policy.digest
    assert again.environment("prod") == policy.environment("prod")


def test_a_policy_of_before_has_the_digest_that_it_had():
    text = b"""version: 1
environments:
  prod:
    rules:
      - {rule: required-tags, tags: [owner]}
      - {rule: no-regression, metric: a, baseline: {alias: b}, tolerance: 0.03}
"""
    told = "sha256:9c867eba7e281ec05599dc3c7085bc25a47eb1d8de5d531e165f4406e094a8ec"
    assert parse(text).digest == told
