"""`policy check|test|explain`: before a policy is in force."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mlflow_evidence_plugin.policy import parse
from tests.world import POLICY

ROOT = Path(__file__).parents[2]
EXAMPLE, CASES = ROOT / "examples/policy.yaml", ROOT / "examples/policy-cases"
ARCHIVE = ROOT / "tests/assets/archive-v1.evidence.zip"


def write(folder, rules, name="policy.yaml"):
    path = folder / name
    path.write_text(f"version: 1\nenvironments: {{prod: {{rules: {rules}}}}}\n", "utf-8")
    return str(path)


def test_a_policy_is_checked_and_told(az):
    said = az("policy", "check", str(EXAMPLE))
    assert (said.code, said.json["warnings"]) == (0, [])
    assert said.json["digest"] == parse(EXAMPLE.read_bytes()).digest
    rules = said.json["environments"]["prod"]["rules"]
    assert [one["rule"] for one in rules][:2] == ["tracked-run", "run-finished"]
    assert rules[-1] == {
        "rule": "required-tags",
        "severity": "warn",
        "options": {"tags": ["runbook"]},
    }
    table = az("policy", "check", str(EXAMPLE), "-o", "table")
    assert "required-tags (warns); holds 24 hours" in table.out


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ("[{rule: be-nice}]", "be-nice"),
        ("[{rule: expression, expression: 'metrics.auc >'}]", "prod/rules/0"),
        ("[{rule: expression, expression: 'now() > 1'}]", "calls now"),
        ("[{rule: required-tags, patterns: {ticket: '('}}]", "pattern"),
        ("[{rule: trend, metric: a, runs: 2, at_least: 3}]", "more runs"),
        ("[{rule: approvals, n: many}]", "many"),
        ("[]", "prod"),
        ("[{rule: tracked-run}", "YAML"),
    ],
)
def test_what_is_no_policy_is_refused_with_where(az, tmp_path, rules, said):
    found = az("policy", "check", write(tmp_path, rules))
    assert (found.code, found.out) == (7, "")
    assert said in found.err


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("{rule: code-claen}", ["'code-claen' is none of tracked-run, ", "is code-clean meant?"]),
        ("{rule: code-claen}", [", expression;"]),
        ("{rule: 7}", ["'7' is none of tracked-run"]),
        ("{rule: approvals, n: many}", ["prod/rules/1/n (approvals): "]),
        (
            "{rule: no-regression, metric: a, baseline: last}",
            ["baseline (no-regression): ", "is none of previous, {alias: …}, {digest: …}"],
        ),
        ("{rule: rollback-target, target: last}", ["is none of previous, {alias: …}\n"]),
        ("{rule: rollback-target, target: {alias: v3}}", ["does not match"]),
        ("{rule: rollback-target, target: {name: x}}", ["is none of previous, {alias: …}\n"]),
        ("{rule: required-tags}", ["(required-tags): it lacks one of tags, patterns"]),
        (
            "{rule: trend, metric: a, tolerance: 1, relative_tolerance: 1}",
            ["tolerance and relative_tolerance do not go together"],
        ),
        ("{rule: trend, metric: a, direction: hihger}", ["higher, lower; is higher meant?"]),
    ],
)
def test_what_may_stand_there_is_said_and_in_which_rule(az, tmp_path, rule, said):
    found = az("policy", "check", write(tmp_path, f"[{{rule: tracked-run}}, {rule}]"))
    assert found.code == 7
    for one in said:
        assert one in found.err
    assert "keyword" not in found.err


BACK = "{rule: rollback-target, target: %s}"


def test_what_is_unlikely_to_be_meant_is_a_warning(az, tmp_path):
    rules = (
        "[{rule: tracked-run}, {rule: tracked-run, severity: warn},"
        " {rule: metric-threshold, metric: a, min: 2}, {rule: metric-threshold, metric: a, max: 1},"
        " {rule: code-clean, basis: attested}, {rule: expression, expression: 'true'}]"
    )
    said = az("policy", "check", write(tmp_path, rules))
    assert said.code == 0
    warnings = {one["where"]: one["warning"] for one in said.json["warnings"]}
    assert set(warnings) == {
        "environments/prod",
        "environments/prod/rules/1",
        "environments/prod/rules/4",
        "environments/prod/rules/5",
    }
    table = az("policy", "check", write(tmp_path, rules), "-o", "table").out
    assert "environments/prod/rules/4 (code-clean) " in table
    assert "at least 2 and at most 1" in warnings["environments/prod"]
    previous = "{rule: no-regression, metric: auc, baseline: previous}"
    lowered = az("policy", "check", write(tmp_path, f"[{previous}]"))
    assert "registered again passes" in lowered.json["warnings"][0]["warning"]
    bound = "{rule: metric-threshold, metric: auc, min: 0.5}"
    assert az("policy", "check", write(tmp_path, f"[{previous}, {bound}]")).json["warnings"] == []
    alias = "{alias: production}"
    against = f"{{rule: no-regression, metric: auc, baseline: {alias}}}"
    itself = az("policy", "check", write(tmp_path, f"[{against}, {BACK % alias}]"))
    assert "no way back but itself" in itself.json["warnings"][0]["warning"]
    apart = f"[{against}, {BACK % '{alias: previous-production}'}]"
    assert az("policy", "check", write(tmp_path, apart)).json["warnings"] == []
    lenient = az("policy", "check", write(tmp_path, "[{rule: tracked-run, severity: warn}]"))
    assert "nothing blocks" in lenient.json["warnings"][0]["warning"]


def test_a_policy_is_checked_without_mlflow_and_sqlalchemy(tmp_path):
    code = (
        "import sys; sys.modules['mlflow'] = sys.modules['sqlalchemy'] = None; "
        "from mlflow_evidence_plugin.cli.main import main; main()"
    )
    for words in (
        ["check", write(tmp_path, "[{rule: expression, expression: 'size(params) > 0'}]")],
        ["test", str(EXAMPLE), "--fixtures", str(CASES)],
    ):
        command = [sys.executable, "-c", code, "policy", *words, "-o", "json"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_the_examples_come_out_as_they_expect(az):
    said = az("policy", "test", str(EXAMPLE), "--fixtures", str(CASES))
    assert (said.code, said.json["failed"], said.json["cases"]) == (0, 0, 3)
    assert all(one["ok"] for one in said.json["items"])


def test_a_case_that_comes_out_otherwise_fails(az, tmp_path):
    shutil.copytree(CASES, tmp_path / "cases")
    case = tmp_path / "cases/regression.yaml"
    case.write_text(case.read_text().replace("failed, reasons", "passed, reasons"))
    said = az("policy", "test", str(EXAMPLE), "--fixtures", str(tmp_path / "cases"))
    assert (said.code, said.json["failed"]) == (1, 1)
    (wrong,) = (one for one in said.json["items"] if not one["ok"])
    assert (wrong["case"], wrong["status"]) == ("regression.yaml", "failed")
    assert "worse by" in wrong["found"][0]
    table = az("policy", "test", str(EXAMPLE), "--fixtures", str(tmp_path / "cases"), "-o", "table")
    (line,) = (one for one in table.out.splitlines() if "FAILED" in one)
    told = "passed; reasons: no-regression"
    assert told in line and line.index(told) < line.index("failed; reasons: no-regression")


WHOLE = {
    "record": "bundle.json",
    "at": "2026-06-01T12:00:00Z",
    "captured_at": "2026-06-01T11:00:00+00:00",
    "earlier": ["version-5.json", "version-5.json", "version-5.json"],
    "approvals": [{"approver": "bob", "role": "risk", "at": "2026-06-01T08:00:00Z"}],
    "attestations": [
        {"kind": "https://slsa.dev/x", "signer": "ci", "received_at": "2026-06-01T08:00:00Z"}
    ],
    "targets": {
        "previous": {"version": 5, "status": "passed", "expires_at": "2026-06-02T00:00:00Z"}
    },
    "baselines": {"previous": {"record": "version-5.json"}},
    "waivers": [
        {
            "rule": 'no-regression {"baseline":"previous","metric":"roc_auc"}',
            "environment": "prod",
            "by": "dora",
            "reason": "known",
            "at": "2026-06-01T08:00:00Z",
            "expires_at": "2026-06-03T08:00:00Z",
        }
    ],
}
RULES = """[{rule: approvals, roles: [risk]}, {rule: attested, type: "https://slsa.dev/*"},
 {rule: rollback-target}, {rule: fresh, max_age_hours: 1},
 {rule: trend, metric: log_loss, direction: lower, severity: warn},
 {rule: no-regression, metric: roc_auc, baseline: previous}]"""


def test_a_case_holds_all_that_rules_look_at(az, tmp_path):
    for one in CASES.glob("version-*.json"):
        shutil.copy(one, tmp_path)
    record = json.loads((CASES / "version-6.json").read_text())
    (tmp_path / "bundle.json").write_text(json.dumps({"digest": "x", "record": record}))
    expect = {"prod": {"status": "passed", "warnings": ["trend"], "waived": ["no-regression"]}}
    (tmp_path / "whole.json").write_text(json.dumps({**WHOLE, "expect": expect}))
    (tmp_path / "p").mkdir()
    policy = write(tmp_path / "p", RULES)
    said = az("policy", "test", policy, "--fixtures", str(tmp_path))
    assert said.code == 0, said.out
    bare = {"record": record, "at": WHOLE["at"]}
    expect["prod"] = {"status": "failed"}
    expect["prod"]["reasons"] = [
        *("approvals", "attested", "rollback-target", "fresh", "no-regression")
    ]
    (tmp_path / "whole.json").write_text(json.dumps({**bare, "expect": expect}))
    assert az("policy", "test", policy, "--fixtures", str(tmp_path)).code == 0


def test_a_case_may_be_of_an_archive(az, tmp_path):
    shutil.copy(ARCHIVE, tmp_path)
    case = {"record": ARCHIVE.name, "at": WHOLE["at"], "expect": {"prod": {"status": "passed"}}}
    (tmp_path / "case.json").write_text(json.dumps(case))
    (tmp_path / "p").mkdir()
    policy = write(tmp_path / "p", "[{rule: tracked-run}]")
    said = az("policy", "test", policy, "--fixtures", str(tmp_path))
    assert said.code == 0, said.err + said.out


DAY = "2026-06-01T12:00:00Z"
CASE = f"record: version-5.json, at: {DAY}"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{expect: {prod: {}}}", 2),
        ("{record: nowhere.json, at: 2026-06-01T12:00:00Z, expect: {}}", 2),
        ("{record: {}, at: 2026-06-01T12:00:00Z, expect: {prod: {}}}", 3),
        ("{record: version-5.json, at: soon, expect: {prod: {}}}", 2),
        ("{record: version-5.json, at: 2026-06-01T12:00:00Z, expect: {moon: {}}}", 4),
        ("{record: version-5.json, at: 2026-06-01T12:00:00Z, aprovals: [], expect: {prod: {}}}", 2),
        ("{record: version-5.json, at: 2026-06-01T12:00:00Z, expect: [prod]}", 2),
        ("{record: [], at: 2026-06-01T12:00:00Z, expect: {prod: {}}}", 2),
        ("expect: [", 7),
        ('about: !!int ""', 7),
        (f"{{{CASE}, captured_at: 9999-12-31T23:59:59-12:00, expect: {{}}}}", 2),
        (f"{{{CASE}, approvals: [{{approver: 1, role: risk, at: {DAY}}}], expect: {{}}}}", 2),
        (f"{{{CASE}, approvals: [{{statement: [x], at: {DAY}}}], expect: {{}}}}", 2),
        (f"{{{CASE}, approvals: [1], expect: {{}}}}", 2),
        (f"{{{CASE}, waivers: {{a: 1}}, expect: {{}}}}", 2),
        (f"{{{CASE}, targets: [a], expect: {{}}}}", 2),
        ("about: no case", 2),
    ],
)
def test_a_case_that_is_none_is_told(az, tmp_path, text, code):
    shutil.copy(CASES / "version-5.json", tmp_path)
    (tmp_path / "case.yaml").write_text(text)
    said = az("policy", "test", str(EXAMPLE), "--fixtures", str(tmp_path))
    assert (said.code, said.out) == (code, ""), said.err
    assert said.err


@pytest.fixture
def captured_here(serving, app, captured, tokens):
    return {"EVIDENCE_URL": serving(app), "EVIDENCE_TOKEN": tokens.admin}


def test_what_a_policy_would_have_blocked_is_told_through_the_service(
    az, captured_here, tmp_path, world
):
    rules = "[{rule: metric-threshold, metric: log_loss, max: 0.5}, {rule: approvals}]"
    words = ("policy", "explain", write(tmp_path, rules), "--model", "credit")
    said = az(*words, **captured_here)
    assert said.code == 0, said.err
    found = said.json
    assert found["blocked"] == len(found["items"]) >= 1
    assert f"models/credit/{world.v_regressed}" in {one["subject"] for one in found["items"]}
    assert found["undecided"] >= 1 and found["passed"] == 0
    assert found["rules"][1]["untold"] == found["looked_at"]
    table = az(*words, "-o", "table", **captured_here)
    assert "undecided" in table.out and "metric-threshold" in table.out
    rules, blocked = table.out.split("\n\n")
    assert rules.split()[:2] == ["rule", "severity"] and "models/credit/" not in rules
    assert blocked.split()[:3] == ["blocked", "captured", "by"] and "models/credit/" in blocked
    later = az(*words, "--since", "2100-01-01T00:00Z", **captured_here)
    assert later.json["looked_at"] == 0
    assert az(*words, "--since", "soon", **captured_here).code == 2
    assert az(*words, "-e", "moon", **captured_here).code == 4


def test_which_of_several_environments_is_for_the_command_line_to_say(
    az, captured_here, tmp_path, world, mlflow_url, service
):
    (tmp_path / "p.yaml").write_text(POLICY, "utf-8")
    explain = ("policy", "explain", str(tmp_path / "p.yaml"))
    decide = ("decide", f"models/credit/{world.v_good}")
    home = {
        "EVIDENCE_SERVICE_HOME": str(service.home),
        "EVIDENCE_SERVICE_POLICY_FILE": str(service.settings.policy_file),
        "MLFLOW_TRACKING_URI": mlflow_url,
    }
    for words, place in ((explain, captured_here), (decide, captured_here), (decide, home)):
        said = az(*words, **place)
        assert said.code == 2, said.err
        assert "lab, prod" in said.err and "with -e" in said.err
        assert az(*words, "-e", "moon", **place).code == 4


def test_and_without_a_service(az, mlflow_url, service, captured, tmp_path):
    (tmp_path / "p.yaml").write_text(POLICY, "utf-8")
    env = {"EVIDENCE_SERVICE_HOME": str(service.home)}
    words = ("policy", "explain", str(tmp_path / "p.yaml"), "-e", "prod")
    said = az(*words, "--tracking-uri", mlflow_url, **env)
    assert said.code == 0, said.err
    assert said.json["looked_at"] >= 2
