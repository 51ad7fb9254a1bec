"""Offline verification: a bundle holds, and every altered twin of it does not."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from mlflow_evidence_plugin.errors import BadVerdict
from mlflow_evidence_plugin.policy import PREVIOUS, Baseline, Case, Target, evaluate, parse
from mlflow_evidence_plugin.record import canonical, record_of
from mlflow_evidence_plugin.record.canonical import loads
from mlflow_evidence_plugin.signing import Keyring, SigningKey, sign
from mlflow_evidence_plugin.snapshot import Gap
from mlflow_evidence_plugin.statements import (
    BOM,
    MODEL_SIGNATURE,
    PAYLOAD_TYPE,
    PROVENANCE,
    RELEASE_EVIDENCE,
    TEST_RESULT,
    VSA,
    captured,
    release_statement,
)
from mlflow_evidence_plugin.statements.decision import (
    read_summary,
    verification_summary,
)
from mlflow_evidence_plugin.statements.decision import (
    test_result_statement as stated_tests,
)
from mlflow_evidence_plugin.verify import verify_bundle
from mlflow_evidence_plugin.verify.verdict import rederived
from tests.unit import samples


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    return SigningKey.create(tmp_path_factory.mktemp("key") / "k.pem")


@pytest.fixture(scope="module")
def trusted(key):
    return Keyring.of([key.public_pem])


def bundle(key, record=None, about=None):
    record = record or samples.record()
    envelope = sign(release_statement(about or record), PAYLOAD_TYPE, key)
    return {
        "digest": record.digest,
        "statements": [json.loads(envelope)],
        "record": json.loads(record.data),
    }


def resigned(key, **changes):
    """A bundle whose statement was changed before it was signed by the true key."""
    found = bundle(key)
    statement = json.loads(release_statement(samples.record()))
    for path, value in changes.items():
        at = statement
        *steps, last = path.split("__")
        for step in steps:
            at = at[int(step) if step.isdigit() else step]
        at[last] = value
    found["statements"] = [json.loads(sign(canonical(statement), PAYLOAD_TYPE, key))]
    return found


def test_a_bundle_holds_and_says_what_it_does_not_prove(key, trusted):
    report = verify_bundle(json.dumps(bundle(key)).encode(), trusted)
    assert report.passed
    assert [c.name for c in report.checks] == ["bundle", "record", "signature 0", "statement 0"]
    assert any("completeness: unwitnessed" in one for one in report.unproven)


def _metric(found, value):
    found["record"]["metrics"]["facts"]["auc"]["value"]["value"] = value


def _with(change):
    def alter(key):
        found = bundle(key)
        change(found)
        return found

    return alter


def test_what_nobody_signed_is_said_to_be_unproven(key, trusted):
    found = bundle(key) | {"captured_at": "1999", "approved": True}
    report = verify_bundle(json.dumps(found).encode(), trusted)
    assert report.passed
    assert any("'approved', 'captured_at'" in one for one in report.unproven)


POLICY = parse(b"version: 1\nenvironments: {prod: {rules: [{rule: tracked-run}]}}")


def every_statement(record):
    decision = evaluate(POLICY, POLICY.environment("prod"), Case(record), samples.NOW)
    return captured(record) | {
        TEST_RESULT: stated_tests(record, decision, POLICY),
        VSA: verification_summary(record, decision, [(RELEASE_EVIDENCE, "sha256:" + "1" * 64)]),
    }


def whole(key, record=None, changed=None):
    """A bundle with every kind of statement, all signed by the true key."""
    record = record or samples.record()
    stated = every_statement(record) | (changed or {})
    signed = [json.loads(sign(one, PAYLOAD_TYPE, key)) for one in stated.values()]
    document = json.loads(record.data)
    return {"digest": record.digest, "statements": signed, "record": document}


def test_every_kind_of_statement_is_verified_and_bound_to_the_record(key, trusted):
    report = verify_bundle(json.dumps(whole(key)).encode(), trusted)
    assert report.passed, report.document()
    assert sum(check.name.startswith("statement") for check in report.checks) == 6


@pytest.mark.parametrize(
    "kind", [RELEASE_EVIDENCE, MODEL_SIGNATURE, PROVENANCE, BOM, TEST_RESULT, VSA]
)
@pytest.mark.parametrize("other", ["another-record", "another-version"])
def test_a_statement_about_anything_else_spoils_the_bundle(kind, other, key, trusted):
    elsewhere = samples.record({"auc": 0.1}) if other == "another-record" else None
    if kind == MODEL_SIGNATURE and other == "another-record":
        made = samples.version(files=(samples.Artifact("model.pkl", 3, "ef" * 32),))
        elsewhere = record_of(made, samples.STORE)
    elsewhere = elsewhere or samples.record(number="8")
    found = whole(key, changed={kind: every_statement(elsewhere)[kind]})
    report = verify_bundle(json.dumps(found).encode(), trusted)
    assert {check.code for check in report.checks} == {None, "bad-signature"}


LIES = {
    "metric-in-the-bom": (
        BOM,
        lambda p: p["metadata"]["component"]["modelCard"]["quantitativeAnalysis"][
            "performanceMetrics"
        ][0].update(value="0.99"),
    ),
    "file-in-the-bom": (
        BOM,
        lambda p: p["metadata"]["component"]["components"][0]["hashes"][0].update(content="0" * 64),
    ),
    "purl-in-the-bom": (
        BOM,
        lambda p: p["metadata"]["component"].update(purl="pkg:mlflow/credit@7"),
    ),
    "parameter-in-the-provenance": (
        PROVENANCE,
        lambda p: p["buildDefinition"]["externalParameters"]["parameters"].update(depth="7"),
    ),
    "run-in-the-provenance": (
        PROVENANCE,
        lambda p: p["runDetails"]["metadata"].update(invocationId="another"),
    ),
    "name-of-a-model-file": (
        MODEL_SIGNATURE,
        lambda p: p["resources"][0].update(name="other.pkl"),
    ),
    "resource-of-the-summary": (VSA, lambda p: p.update(resourceUri="pkg:mlflow/other@1")),
}


@pytest.mark.parametrize("name", LIES)
def test_what_is_signed_and_does_not_agree_with_the_record_is_refused(name, key, trusted):
    kind, change = LIES[name]
    statement = json.loads(every_statement(samples.record())[kind])
    change(statement["predicate"])
    found = whole(key, changed={kind: canonical(statement)})
    report = verify_bundle(json.dumps(found).encode(), trusted)
    assert {check.code for check in report.checks} == {None, "bad-signature"}


def test_an_integrity_statement_over_half_a_model_is_refused(key, trusted):
    half = record_of(
        samples.version(gaps=(Gap("model_files/x", "unreadable", "r"),)), samples.STORE
    )
    signature = captured(samples.record())[MODEL_SIGNATURE]
    report = verify_bundle(
        json.dumps(whole(key, half, {MODEL_SIGNATURE: signature})).encode(), trusted
    )
    assert not report.passed
    assert any("not all files" in check.detail for check in report.checks)


DECOY = {"name": "decoy", "digest": {"sha256": "0" * 64}}
CORPUS = {
    "bad-record__metric-changed": _with(lambda b: _metric(b, "0.99")),
    "bad-record__digest-of-another": _with(lambda b: b.update(digest="sha256:" + "0" * 64)),
    "bad-record__subject-of-another": _with(lambda b: b.update(subject="models/other/9")),
    "bad-record__digest-that-is-none": _with(lambda b: b.update(digest="\ud800")),
    "bad-record__no-record": _with(lambda b: b.pop("record")),
    "bad-record__section-dropped": _with(lambda b: b["record"].pop("gaps")),
    "bad-record__no-digest": _with(lambda b: b.pop("digest")),
    "bad-record__huge-integer": _with(
        lambda b: b["record"]["metrics"]["facts"]["auc"]["value"].update(step=2**70)
    ),
    "bad-signature__no-statement": _with(lambda b: b.update(statements=[])),
    "bad-signature__statement-of-another-record": lambda key: bundle(
        key, about=samples.record({"auc": 0.1})
    ),
    "bad-signature__statement-of-another-version": lambda key: bundle(
        key, about=samples.record(number="8")
    ),
    "bad-signature__wrong-root": lambda key: resigned(key, subject__0__digest={"sha256": "0" * 64}),
    "bad-signature__wrong-subject": lambda key: resigned(key, subject__0__name="models/other/1"),
    "bad-signature__wrong-release": lambda key: resigned(
        key, predicate__release="sha256:" + "0" * 64
    ),
    "bad-envelope__subject-with-a-decoy": lambda key: resigned(
        key,
        subject=[DECOY, {"name": "x", "digest": {"sha256": samples.record().root}}],
    ),
    "bad-envelope__other-predicate": lambda key: resigned(
        key, predicateType="https://slsa.dev/provenance/v1"
    ),
    "bad-envelope__other-statement": lambda key: resigned(
        key, _type="https://in-toto.io/Statement/v0.1"
    ),
    "bad-envelope__predicate-not-an-object": lambda key: resigned(key, predicate="x"),
    "bad-envelope__digest-not-text": lambda key: resigned(key, predicate__release=7),
    "bad-envelope__envelope-not-an-object": _with(lambda b: b.update(statements=["x"])),
}


@pytest.mark.parametrize("name", CORPUS)
def test_an_altered_bundle_is_refused_with_its_code(name, key, trusted):
    report = verify_bundle(json.dumps(CORPUS[name](key)).encode(), trusted)
    assert not report.passed
    assert name.split("__")[0] in {check.code for check in report.checks}


def test_a_key_that_is_not_trusted_is_refused(key, tmp_path):
    other = Keyring.of([SigningKey.create(tmp_path / "other.pem").public_pem])
    report = verify_bundle(json.dumps(bundle(key)).encode(), other)
    assert not report.passed


def test_a_second_statement_that_does_not_hold_spoils_the_bundle(key, trusted):
    found = bundle(key)
    found["statements"].append(bundle(key, about=samples.record({"auc": 0.1}))["statements"][0])
    assert not verify_bundle(json.dumps(found).encode(), trusted).passed


RAW = {
    "empty": b"",
    "truncated": b'{"digest": "sha256:',
    "a-list": b"[]",
    "duplicate-keys": b'{"digest":"a","digest":"b","statements":[1],"record":{}}',
    "nan": b'{"digest":"a","statements":[1],"record":{"a":NaN}}',
    "deep": b'{"digest":"a","statements":[1],"record":' + b"[" * 50_000,
    "invalid-utf8": b'{"digest":"\xff"}',
}


@pytest.mark.parametrize("data", RAW.values(), ids=RAW)
def test_what_is_no_bundle_is_refused_and_never_raises(data, trusted):
    assert not verify_bundle(data, trusted).passed


def test_verification_loads_neither_mlflow_nor_flask_nor_sqlalchemy(key, tmp_path):
    (tmp_path / "b.json").write_text(json.dumps(bundle(key)))
    (tmp_path / "k.pem").write_bytes(key.public_pem)
    program = (
        "import sys\n"
        "from mlflow_evidence_plugin.cli.main import main\n"
        f"sys.argv = ['mlflow-evidence', 'verify', r'{tmp_path}/b.json',"
        f" '--key', r'{tmp_path}/k.pem', '-o', 'json']\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "bad = {'mlflow', 'flask', 'sqlalchemy'} & set(sys.modules)\n"
        "assert not bad, bad\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["passed"] is True


def test_the_previous_version_is_none_of_an_earlier_namesake():
    first, then = 1_690_000_000_000, 1_695_000_000_000
    known = samples.run({"auc": 0.1}, run_id="e" * 32)
    namesake, before = (
        record_of(samples.version("6", known, created=at), samples.STORE) for at in (first, then)
    )
    of = record_of(
        samples.version("7", samples.run(), previous="6", previous_created=then), samples.STORE
    )
    for one in (namesake, before):
        policy = parse(
            b"version: 1\nenvironments: {prod: {rules: "
            b"[{rule: no-regression, metric: auc, baseline: previous}]}}"
        )
        case = Case(of, {PREVIOUS: Baseline("6", one)})
        made = evaluate(policy, policy.environment("prod"), case, samples.NOW)
        said = read_summary(loads(verification_summary(of, made, [])))
        if one is before:
            assert rederived(said, of, policy, {one.digest: one}).digest == made.digest
        else:
            with pytest.raises(BadVerdict, match="not the previous version"):
                rederived(said, of, policy, {one.digest: one})


@pytest.mark.parametrize("rule", ["no-regression", "rollback-target"])
def test_no_previous_version_is_not_taken_from_a_record_that_does_not_know(rule):
    options = {
        "no-regression": "metric: auc, baseline: previous, if_no_baseline: pass",
        "rollback-target": "if_no_target: pass",
    }[rule]
    policy = parse(
        f"version: 1\nenvironments: {{prod: {{rules: [{{rule: {rule}, {options}}}]}}}}".encode()
    )
    unread = Gap("lineage/previous_version", "unreadable", "MlflowException")
    for gaps in ((), (unread,)):
        of = record_of(samples.version("7", samples.run(), previous=None, gaps=gaps), samples.STORE)
        case = Case(of, {PREVIOUS: Baseline()}, targets={PREVIOUS: Target()})
        made = evaluate(policy, policy.environment("prod"), case, samples.NOW)
        assert made.allowed
        said = read_summary(loads(verification_summary(of, made, [])))
        if not gaps:
            assert rederived(said, of, policy, {}).allowed
        else:
            with pytest.raises(BadVerdict, match="does not know"):
                rederived(said, of, policy, {})
