"""The policy: what may be asked, and that unknown never counts as passed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlflow_evidence_plugin.errors import BadPolicy, NotFound
from mlflow_evidence_plugin.policy import RULES, Baseline, Case, RuleSpec, denial, evaluate, parse
from mlflow_evidence_plugin.policy.decision import ANSWER, read_decision, refuse
from mlflow_evidence_plugin.policy.model import Environment, policy_schema
from mlflow_evidence_plugin.record import record_of
from tests.unit import samples

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "docs" / "policy.md").read_text("utf-8")


def policy(rules: str) -> bytes:
    return f"version: 1\nenvironments:\n  prod:\n    rules:\n{rules}".encode()


def judge(record, rule, baselines=None, **options):
    environment = Environment("prod", (RuleSpec(rule, options, blocks=True),), 24)
    known = parse(policy("      - rule: tracked-run\n"))
    return evaluate(known, environment, Case(record, baselines or {}), samples.NOW)


def against(value: float | None, **options):
    """no-regression of auc 0.9 against a baseline with `value`."""
    metrics = {} if value is None else {"auc": value}
    baseline = Baseline("4", samples.record(metrics, "4"))
    options.setdefault("baseline", {"alias": "champion"})
    return judge(
        samples.record({"auc": 0.9}),
        "no-regression",
        {"champion": baseline},
        metric="auc",
        **options,
    )


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_is_documented_with_an_example_and_published(rule):
    assert f"### {rule}\n" in DOCS
    assert rule in policy_schema()["$defs"]


def test_the_examples_in_the_documentation_are_policies():
    examples = DOCS.split("```yaml\n")[1:]
    assert len(examples) > len(RULES)
    for example in examples:
        text = example.split("```")[0]
        whole = text if text.startswith("version") else policy("").decode() + text
        assert parse(whole.encode()).environments


def test_the_shipped_policy_is_one():
    assert parse((ROOT / "examples" / "policy.yaml").read_bytes()).environment(None).name == "prod"


@pytest.mark.parametrize(
    ("text", "value"),
    [("0.95", 0.95), ("1", 1), ("-2", -2), ("1e-3", 0.001), ("0.5e2", 50), (".5", 0.5)],
)
def test_a_number_is_what_it_looks_like(text, value):
    rule = parse(policy(f"      - {{rule: metric-threshold, metric: a, min: {text}}}\n"))
    assert rule.environment(None).rules[0].options["min"] == value


def test_the_digest_names_the_meaning_and_not_the_layout():
    one = parse(policy("      - rule: tracked-run\n"))
    other = parse(policy("      # why\n      - {rule: tracked-run}\n"))
    changed = parse(policy("      - rule: run-finished\n"))
    assert one.digest == other.digest != changed.digest


BAD = {
    "empty": b"",
    "no-rules": policy("      []\n"),
    "no-environments": b"version: 1\nenvironments: {}\n",
    "unknown-rule": policy("      - rule: be-nice\n"),
    "unknown-option": policy("      - rule: tracked-run\n        maybe: 1\n"),
    "unknown-version": b"version: 2\nenvironments: {p: {rules: [{rule: tracked-run}]}}\n",
    "wrong-type": policy("      - rule: required-tags\n        tags: owner\n"),
    "no-metric": policy("      - rule: metric-threshold\n        min: 1\n"),
    "no-bound": policy("      - rule: metric-threshold\n        metric: auc\n"),
    "negative-tolerance": policy(
        "      - {rule: no-regression, metric: a, baseline: {alias: b}, tolerance: -1}\n"
    ),
    "not-yaml": b"version: [1\n",
    "duplicate-key": b"version: 1\nversion: 1\nenvironments: {p: {rules: [{rule: tracked-run}]}}\n",
    "python-object": b"!!python/object/apply:os.system [id]\n",
    "nan-bound": policy("      - {rule: metric-threshold, metric: a, min: .nan}\n"),
    "octal-number": policy("      - {rule: metric-threshold, metric: a, min: 010}\n"),
    "sexagesimal-number": policy("      - {rule: metric-threshold, metric: a, min: 1:30}\n"),
    "number-with-underscores": policy("      - {rule: metric-threshold, metric: a, min: 1_000}\n"),
    "min-above-max": policy("      - {rule: metric-threshold, metric: a, min: 1, max: 0}\n"),
    "line-break-in-a-name": b'version: 1\nenvironments: {"p\\n": {rules: [{rule: tracked-run}]}}\n',
    "malformed-alias": policy("      - {rule: no-regression, metric: a, baseline: {alias: v1}}\n"),
    "no-pattern": policy("      - {rule: required-tags, patterns: {ticket: '('}}\n"),
    "neither-tags-nor-patterns": policy("      - {rule: required-tags}\n"),
    "no-expression": policy("      - {rule: expression, expression: 'metrics.auc >'}\n"),
    "clock-in-an-expression": policy("      - {rule: expression, expression: 'now() > 1'}\n"),
    "expression-over-its-bounds": policy(
        f"      - {{rule: expression, expression: '{' || '.join(['true'] * 200)}'}}\n"
    ),
    "two-tolerances": policy(
        "      - {rule: no-regression, metric: a, baseline: previous, tolerance: 1,"
        " relative_tolerance: 1}\n"
    ),
    "unknown-baseline": policy("      - {rule: no-regression, metric: a, baseline: best}\n"),
    "short-digest": policy(
        "      - {rule: no-regression, metric: a, baseline: {digest: 'sha256:00'}}\n"
    ),
    "more-runs-than-looked-at": policy("      - {rule: trend, metric: a, runs: 2, at_least: 3}\n"),
    "no-approvals": policy("      - {rule: approvals, n: 0}\n"),
    "unknown-basis": policy("      - {rule: code-clean, basis: guessed}\n"),
    "no-limit": policy("      - {rule: max-cost}\n"),
    "no-age": policy("      - {rule: fresh}\n"),
    "binary": b"\x00\xff\xfe",
    "number-as-key": b"1: 2\n",
    "many-aliases": b"a: &a [1,1,1,1,1,1,1,1,1]\n"
    + b"".join(
        b"%c: &%c [%s]\n" % (n, n, b",".join([b"*%c" % (n - 1)] * 9)) for n in range(98, 108)
    ),
    "many-merges": b"a: &a {a: 1}\n"
    + b"".join(
        b"%c: &%c {<<: [%s]}\n" % (n, n, b",".join([b"*%c" % (n - 1)] * 9)) for n in range(98, 108)
    ),
    "an-alias-in-itself": b"a: &a [*a]\n",
    "long-with-its-aliases": b"version: 1\nenvironments:\n  e:\n    rules: &r\n"
    + b"      - {rule: required-tags, tags: [%s]}\n" % (b"a" * 60) * 190
    + b"".join(b"  e%d: {rules: *r}\n" % n for n in range(20)),
    "long-key": policy(
        f"      - rule: required-tags\n        patterns:\n          ? {'k' * 1100}\n          : a\n"
    ),
    "typed-int": b'version: !!int ""\n',
    "typed-bool": b"version: !!bool x\n",
    "typed-time": b"version: !!timestamp x\n",
    "typed-text": b"version: !!str 1\n",
    "typed-list": b"version: !!seq x\n",
    "many-large-patterns": policy(
        "".join(
            f"      - {{rule: required-tags, patterns: {{a: 'a{{900}}', b: 'b{{{n}}}'}}}}\n"
            for n in range(30)
        )
    ),
    "too-long": b"# " + b"x" * 300_000,
    "deep": b"[" * 5_000,
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
def test_a_broken_policy_is_refused(text):
    with pytest.raises(BadPolicy):
        parse(text)


@pytest.mark.parametrize(
    ("whole", "broken"),
    [
        (
            "{rule: metric-threshold, metric: a, max: 0}",
            "{rule: metric-threshold, metric: a, max: 0.0}",
        ),
        (
            "{rule: metric-threshold, metric: a, max: 0}",
            "{rule: metric-threshold, metric: a, max: -0.0}",
        ),
        ("{rule: trend, metric: a, runs: 6}", "{rule: trend, metric: a, runs: 6.0}"),
        ("{rule: approvals, n: 1}", "{rule: approvals, n: 1.0}"),
        ("{rule: fresh, max_run_age_hours: 2}", "{rule: fresh, max_run_age_hours: 2.0}"),
        ("{rule: max-cost, max_bytes: 1000000}", "{rule: max-cost, max_bytes: 1.e+6}"),
    ],
)
def test_one_number_is_one_policy_that_says_the_same(whole, broken):
    one, other = (parse(policy(f"      - {rule}\n")) for rule in (whole, broken))
    again = parse(one.canonical)
    assert one == other == again
    labels = [known.environments["prod"].rules[0].label for known in (one, other, again)]
    options = [repr(known.environments["prod"].rules[0].options) for known in (one, other, again)]
    assert len(set(labels)) == len(set(options)) == 1


def test_environments_may_share_rules_and_expressions_have_lines():
    shared = (
        b"version: 1\nenvironments:\n  lab:\n    rules: &r\n"
        b"      - rule: expression\n        message: 2026-01-01\n        expression: |\n"
        b"          metrics.auc > 0.5\n          && metrics.auc < 1.0\n  prod: {rules: *r}\n"
    )
    known = parse(shared)
    assert parse(known.canonical) == known
    environment = known.environment("prod")
    made = evaluate(known, environment, Case(samples.record({"auc": 0.9})), samples.NOW)
    assert made.allowed and environment.rules[0].options["message"] == "2026-01-01"


def test_an_environment_that_is_not_there_is_named_with_those_that_are():
    known = parse(policy("      - rule: tracked-run\n"))
    with pytest.raises(NotFound, match="prod"):
        known.environment("staging")
    assert known.environment(None).name == "prod"


def test_no_rule_is_no_verdict():
    with pytest.raises(BadPolicy):
        judge_nothing()


def judge_nothing():
    known = parse(policy("      - rule: tracked-run\n"))
    evaluate(known, Environment("prod", (), 24), Case(samples.record()), samples.NOW)


def test_a_tracked_run_is_asked_for():
    assert judge(samples.record(), "tracked-run").allowed
    orphan = record_of(samples.version(run=None, run_id=None), "s")
    assert not judge(orphan, "tracked-run").allowed


def test_a_version_of_which_no_file_could_be_read_is_not_tracked():
    hollow = record_of(samples.version(files=()), "s")
    assert not judge(hollow, "tracked-run").allowed
    assert hollow.root != samples.record().root


def test_a_claimed_run_that_could_not_be_read_is_not_tracked():
    ghost = record_of(samples.version(run=None), "s")
    assert not judge(ghost, "tracked-run").allowed


@pytest.mark.parametrize("status", ["RUNNING", "FAILED", "KILLED", "SCHEDULED", ""])
def test_a_run_that_has_not_ended_well_is_blocked(status):
    assert judge(samples.record(), "run-finished").allowed
    assert not judge(samples.record(status=status), "run-finished").allowed


def test_required_tags_are_governance_names_or_full_names():
    record = samples.record()
    assert judge(record, "required-tags", tags=["owner", "evidence.owner", "mlflow.user"]).allowed
    denied = judge(record, "required-tags", tags=["owner", "ticket"])
    assert denied.reasons[0]["found"] == "missing: ticket"
    assert "EVIDENCE_TICKET" in denied.reasons[0]["mend"]


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_a_metric_that_is_no_number_is_missing(value):
    record = samples.record({} if value is None else {"auc": value})
    assert not judge(record, "required-metrics", metrics=["auc"]).allowed
    assert not judge(record, "metric-threshold", metric="auc", min=0, max=1).allowed


@pytest.mark.parametrize(
    ("bounds", "allowed"),
    [({"min": 0.9}, True), ({"min": 0.91}, False), ({"max": 0.9}, True), ({"max": 0.89}, False)],
)
def test_bounds_are_inclusive(bounds, allowed):
    record = samples.record({"auc": 0.9})
    assert judge(record, "metric-threshold", metric="auc", **bounds).allowed is allowed


@pytest.mark.parametrize(
    ("value", "options", "allowed"),
    [
        (0.9, {}, True),
        (0.85, {}, True),
        (0.91, {}, False),
        (0.91, {"tolerance": 0.01}, True),
        (0.91, {"tolerance": 0.009}, False),
        (0.91, {"direction": "lower"}, True),
        (0.89, {"direction": "lower"}, False),
        (0.89, {"direction": "lower", "tolerance": 0.01}, True),
        (float("nan"), {}, False),
        (float("inf"), {"direction": "lower"}, False),
        (None, {}, False),
    ],
)
def test_a_regression_is_measured_exactly_and_in_its_direction(value, options, allowed):
    assert against(value, **options).allowed is allowed


def test_what_is_unknown_about_the_baseline_denies():
    options = {"metric": "auc", "baseline": {"alias": "champion"}}
    record = samples.record()
    for baseline in (None, Baseline("4"), Baseline(problem="the store is away"), Baseline()):
        known = {"champion": baseline} if baseline else {}
        decision = judge(record, "no-regression", known, **options)
        assert not decision.allowed, baseline
        assert decision.reasons[0]["mend"]


def test_a_first_release_passes_only_where_the_policy_says_so():
    options = {"metric": "auc", "baseline": {"alias": "champion"}, "if_no_baseline": "pass"}
    record = samples.record()
    assert judge(record, "no-regression", {"champion": Baseline()}, **options).allowed
    for unknown in (Baseline("4"), Baseline(problem="the store is away")):
        assert not judge(record, "no-regression", {"champion": unknown}, **options).allowed


def test_a_warning_does_not_block():
    known = parse(policy("      - {rule: required-tags, tags: [ticket], severity: warn}\n"))
    decision = evaluate(known, known.environment(None), Case(samples.record()), samples.NOW)
    assert decision.allowed
    assert decision.warnings[0]["code"] == "required-tags"


def test_every_failed_rule_is_told_and_not_only_the_first():
    rules = "      - {rule: required-tags, tags: [ticket]}\n      - {rule: run-finished}\n"
    known = parse(policy(rules))
    record = samples.record(status="FAILED")
    decision = evaluate(known, known.environment(None), Case(record), samples.NOW)
    assert [one["code"] for one in decision.reasons] == ["required-tags", "run-finished"]
    assert all(set(one) == {"code", "found", "asked", "mend"} for one in decision.reasons)
    assert all(one["mend"] for one in decision.reasons)


@given(st.text(), st.none() | st.text(), st.text())
def test_an_answer_as_text_is_the_same_document_compact_and_in_order(at, url, found):
    reason = {"code": "a", "found": found, "asked": '""}', "mend": "null}"}
    judged = refuse(judge(samples.record(), "tracked-run"), reason)
    for _ in range(2):
        compact = json.dumps(judged.answer(at, url), separators=(",", ":"), ensure_ascii=False)
        assert judged.answer_json(at, url) == compact


def test_an_answer_has_the_members_that_consumers_look_for_in_their_order():
    answer = judge(samples.record(), "tracked-run").answer("2026-06-01T12:00:00.000Z", None)
    assert tuple(answer) == ANSWER
    assert answer["allowed"] is True
    assert (answer["status"], answer["result"], answer["state"]) == (
        "passed",
        "succeeded",
        "approved",
    )
    assert answer["expires_at"] == "2026-06-02T12:00:00.000Z"


def test_a_verdict_reads_back_as_the_same_verdict():
    decision = against(0.95)
    again = read_decision(decision.document(), decision.subject)
    assert again.digest == decision.digest


def test_a_refusal_and_a_denial_never_allow():
    passed = judge(samples.record(), "tracked-run")
    reason = {"code": "policy-mismatch", "found": "a", "asked": "b", "mend": "c"}
    refused = refuse(passed, reason)
    assert passed.allowed and not refused.allowed
    subject = samples.record().subject
    pending = denial("sha256:" + "0" * 64, "prod", subject, "pending", [reason], samples.NOW)
    assert not pending.allowed
    assert pending.document()["result"] == "failed"
