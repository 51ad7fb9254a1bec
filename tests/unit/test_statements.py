"""Statements: the same bytes for the same record, read back exactly, and nothing half-covered."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packageurl import PackageURL

from mlflow_evidence_plugin.errors import BadEnvelope, BadPolicy, BadRecord
from mlflow_evidence_plugin.policy import Baseline, Case, evaluate, parse
from mlflow_evidence_plugin.policy.decision import read_decision, refuse
from mlflow_evidence_plugin.record import canonical, read, record_of
from mlflow_evidence_plugin.record.canonical import loads
from mlflow_evidence_plugin.snapshot import Artifact, Gap, Secret
from mlflow_evidence_plugin.statements import (
    BOM,
    MODEL_SIGNATURE,
    PROVENANCE,
    READERS,
    RELEASE_EVIDENCE,
    TEST_RESULT,
    VSA,
    captured,
    read_statement,
)
from mlflow_evidence_plugin.statements.bom import bom_document, read_bom
from mlflow_evidence_plugin.statements.decision import (
    DECISION,
    read_summary,
    read_test_result,
    test_result_statement,
    verification_summary,
)
from mlflow_evidence_plugin.statements.form import PREDICATE_LIMIT
from mlflow_evidence_plugin.statements.integrity import integrity_statement
from mlflow_evidence_plugin.statements.provenance import provenance_statement, read_provenance
from mlflow_evidence_plugin.statements.purl import purl
from tests.unit import samples
from tests.unit.records import large, records

test_result_statement.__test__ = False  # pytest takes it for a test of its own

POLICY = parse(b"""
version: 1
environments:
  prod:
    rules:
      - rule: tracked-run
      - rule: metric-threshold
        metric: auc
        min: 0.8
      - rule: metric-threshold
        metric: auc
        min: 0.95
      - rule: no-regression
        metric: auc
        baseline: {alias: production}
      - rule: required-tags
        tags: [runbook]
        severity: warn
""")
INPUTS = ((RELEASE_EVIDENCE, "sha256:" + "1" * 64), (BOM, "sha256:" + "2" * 64))


def decided(record, auc=0.91, **baseline):
    held = (
        Baseline("6", samples.record({"auc": auc}, "6")) if not baseline else Baseline(**baseline)
    )
    environment = POLICY.environment("prod")
    return evaluate(POLICY, environment, Case(record, {"production": held}), samples.NOW)


def every_statement(record):
    decision = decided(record)
    return captured(record) | {
        TEST_RESULT: test_result_statement(record, decision, POLICY),
        VSA: verification_summary(record, decision, INPUTS),
    }


def predicate(data):
    return loads(data)["predicate"]


@given(records())
def test_a_record_has_the_same_statements_each_time_and_after_it_was_read_back(record):
    assert captured(record) == captured(read(record.data))


@given(records())
def test_whatever_is_stated_is_canonical_and_reads_back_as_the_record_has_it(record):
    for kind, data in every_statement(record).items():
        parsed = loads(data)
        assert canonical(parsed) == data
        said = read_statement(parsed)
        assert said == READERS[kind](parsed)
        assert (said.subject, said.root) == (record.subject.name, record.root)
        assert getattr(said, "record", record.digest) == record.digest
        assert getattr(said, "run_id", record.run_id) == record.run_id


def test_a_version_with_files_and_a_run_gets_all_four():
    assert list(captured(samples.record())) == [RELEASE_EVIDENCE, MODEL_SIGNATURE, PROVENANCE, BOM]


def test_a_run_gets_no_model_signature_and_a_version_without_a_run_no_provenance():
    assert MODEL_SIGNATURE not in captured(record_of(samples.run(), samples.STORE))
    orphan = record_of(samples.replace(samples.version(), run=None), samples.STORE)
    assert PROVENANCE not in captured(orphan)


COPIED = {
    "files": (Artifact("model.pkl", 3, "ab" * 32),),
    "source": samples.run(artifacts=(Artifact("model/model.pkl", 3, "ab" * 32),)),
}
HALF = {
    "no-files": {"files": ()},
    "unreadable-file": {"gaps": (Gap("model_files/x", "unreadable", "r"),)},
    "folder-not-listed": {"gaps": (Gap("model_files/x", "not-listed", "r"),)},
    "location-unknown": {"gaps": (Gap("model_files", "not-found", "r"),)},
    "masked-name": {"secrets": (Secret("version/files/path", "token", "f"),)},
    "name-not-unicode": {"gaps": (Gap("version/files/path", "not-unicode", "r"),)},
    "taken-from-a-run-that-lacks-one": {"outputs": "outputs/model/x"},
    "taken-from-a-run-that-was-not-listed": {"outputs": "outputs"},
}


@pytest.mark.parametrize("name", HALF)
def test_an_integrity_statement_never_covers_half_a_model(name):
    changes = dict(HALF[name])
    run = COPIED["source"]
    if place := changes.pop("outputs", None):
        run = samples.replace(run, gaps=(Gap(place, "unreadable", "r"),))
    made = samples.version(source=run, **{"files": COPIED["files"], **changes})
    assert integrity_statement(record_of(made, samples.STORE)) is None


def test_a_gap_that_is_not_the_models_leaves_the_integrity_statement():
    for gap in (
        Gap("outputs/logs/app.log", "unreadable", "r"),
        Gap("model_files/model.pkl", "not-scanned", "r"),
        Gap("lineage/previous_version", "unreadable", "r"),
    ):
        run = samples.replace(COPIED["source"], gaps=(gap,))
        made = samples.version(source=run, files=COPIED["files"])
        assert integrity_statement(record_of(made, samples.STORE)) is not None


def test_provenance_tells_what_the_run_was_made_with():
    tags = {
        "evidence.git.commit": "a" * 40,
        "evidence.git.remote": "https://example.org/r.git",
        "evidence.env.digest": "sha256:" + "b" * 64,
    }
    data = provenance_statement(samples.record(tags=tags))
    definition = predicate(data)["buildDefinition"]
    assert definition["externalParameters"] == {"parameters": {"depth": "6"}}
    code, dataset, environment = definition["resolvedDependencies"]
    assert code["uri"] == "git+https://example.org/r.git@" + "a" * 40
    assert code["digest"] == {"gitCommit": "a" * 40}
    assert environment["digest"] == {"sha256": "b" * 64}
    assert "digest" not in dataset  # d1 is no digest of an algorithm that anybody knows
    assert dataset["annotations"]["digest"] == "d1"
    details = predicate(data)["runDetails"]
    assert details["metadata"] == {
        "invocationId": samples.RUN_ID,
        "startedOn": "2023-11-14T22:13:20.000Z",
        "finishedOn": "2023-11-14T22:14:20.000Z",
    }
    assert "observer" in details["builder"]["id"]
    assert read_provenance(loads(data)).parameters == (("depth", "6"),)


@pytest.mark.parametrize("length", [20, 250, 6000])
def test_no_predicate_is_larger_than_others_take_and_what_is_left_out_is_said(length):
    record = large(length=length)
    sizes = {k: len(canonical(predicate(data))) for k, data in captured(record).items()}
    assert max(sizes.values()) < PREDICATE_LIMIT, sizes
    provenance = predicate(provenance_statement(record))["buildDefinition"]
    told = json.dumps(bom_document(record))
    if length == 20:
        assert len(provenance["externalParameters"]["parameters"]) == 500
        assert "omitted" not in told
    else:
        assert provenance["internalParameters"]["omitted"]["parameters"] == 500
        assert "parameters" not in provenance["externalParameters"]
        assert '"mlflow-evidence:omitted:parameters", "value": "500"' in told
    for data in captured(record).values():
        read_statement(loads(data))


def test_a_summary_leaves_out_metrics_that_are_too_many_and_says_so():
    summary = predicate(captured(large(metrics=1000, length=250))[RELEASE_EVIDENCE])["summary"]
    assert "metrics" not in summary
    assert summary["omitted"] == {"metrics": 1000}


def test_a_bom_that_left_out_metrics_says_none_and_one_that_hides_them_is_refused():
    record = large(metrics=1000, length=250)
    statement = loads(captured(record)[BOM])
    assert read_bom(statement).metrics is None
    component = statement["predicate"]["metadata"]["component"]
    component["properties"] = [p for p in component["properties"] if "omitted" not in p["name"]]
    with pytest.raises(BadEnvelope):
        read_bom(statement)


def test_the_rules_become_tests_and_the_baselines_can_be_found_again():
    record = samples.record()
    said = read_test_result(loads(test_result_statement(record, decided(record), POLICY)))
    assert said.result == "FAILED"
    assert said.passed == ("tracked-run", 'metric-threshold {"metric":"auc","min":0.8}')
    assert said.failed == (
        'metric-threshold {"metric":"auc","min":0.95}',
        'no-regression {"baseline":{"alias":"production"},"metric":"auc"}',
    )
    assert said.warned == ('required-tags {"tags":["runbook"]}',)
    assert said.baselines == (("production", samples.record({"auc": 0.91}, "6").digest),)
    assert (said.policy, said.environment) == (POLICY.digest, "prod")


def test_a_baseline_that_was_not_found_stands_there_with_the_reason():
    record = samples.record()
    made = test_result_statement(record, decided(record, problem="the store is down"), POLICY)
    assert read_test_result(loads(made)).baselines == (("production", "the store is down"),)


def test_a_refusal_that_is_no_rules_fails_the_test_too():
    record = samples.record({"auc": 0.99})
    reason = {"code": "another-version", "found": "7", "asked": "6", "mend": "ask again"}
    said = read_test_result(
        loads(test_result_statement(record, refuse(decided(record), reason), POLICY))
    )
    assert (said.result, said.failed) == ("FAILED", ("another-version",))


def test_of_rules_that_ask_in_the_same_words_the_one_that_failed_is_the_failed_test():
    policy = parse(b"""
version: 1
environments:
  prod:
    rules:
      - {rule: expression, expression: "metrics[\\"auc\\"] > 0.5", message: as agreed}
      - {rule: expression, expression: "metrics[\\"auc\\"] > 0.99", message: as agreed}
      - {rule: expression, expression: "metrics[\\"auc\\"] > 0.6", message: so, severity: warn}
      - {rule: expression, expression: "metrics[\\"auc\\"] > 0.98", message: so, severity: warn}
""")
    record = samples.record({"auc": 0.9})
    decision = evaluate(policy, policy.environment("prod"), Case(record), samples.NOW)
    said = read_test_result(loads(test_result_statement(record, decision, policy)))
    assert [len(one) for one in (said.passed, said.warned, said.failed)] == [2, 1, 1]
    assert "0.99" in said.failed[0] and "0.98" in said.warned[0]


def test_a_verdict_that_was_read_back_is_not_stated_anew():
    record = samples.record()
    decision = decided(record)
    again = read_decision(decision.document(), decision.subject)
    assert again == decision
    with pytest.raises(BadRecord, match="read back"):
        test_result_statement(record, again, POLICY)


def test_a_decision_is_stated_only_about_its_own_record_and_policy():
    record = samples.record()
    decision = decided(record)
    with pytest.raises(BadRecord):
        verification_summary(samples.record({"auc": 0.1}), decision, INPUTS)
    other = parse(b"version: 1\nenvironments: {prod: {rules: [{rule: tracked-run}]}}")
    with pytest.raises(BadPolicy):
        test_result_statement(record, decision, other)


@pytest.mark.parametrize(("auc", "result", "levels"), [(0.99, "PASSED", []), (0.5, "FAILED", None)])
def test_a_summary_binds_verdict_store_environment_expiry_and_members(auc, result, levels):
    record = samples.record({"auc": auc})
    decision = decided(record)
    told = predicate(verification_summary(record, decision, INPUTS))
    assert told["verificationResult"] == result
    assert told["verifiedLevels"] == (["FAILED"] if levels is None else levels)
    assert told["resourceUri"] == purl(record)
    assert told["timeVerified"] == decision.evaluated_at
    assert told[DECISION] == decision.document() | {"digest": decision.digest}
    said = read_summary(loads(verification_summary(record, decision, INPUTS)))
    assert said.inputs == INPUTS
    assert said.decision["environment"] == "prod"


# Their reader strips what is blank at the ends.
PLAIN = st.text("aZ09 -._~:+%#?@&=é☃", min_size=1, max_size=8).filter(
    lambda one: one == one.strip()
)


@given(PLAIN, PLAIN, PLAIN)
def test_the_purl_reads_back_with_another_programs_reader(model, version, store):
    record = record_of(samples.replace(samples.version(version), name=model), store)
    found = PackageURL.from_string(purl(record))
    assert (found.type, found.name, found.version) == ("mlflow", model, version)
    assert found.qualifiers == {"repository_url": store, "run_id": samples.RUN_ID}


def test_a_purl_is_as_the_specification_has_it():
    record = record_of(samples.replace(samples.version("7"), name="a/b @ü"), samples.STORE)
    assert purl(record) == (
        "pkg:mlflow/a%2Fb%20%40%C3%BC@7"
        f"?repository_url=https://mlflow.example.com&run_id={samples.RUN_ID}"
    )
    run = record_of(samples.run(), samples.STORE)
    assert purl(run).startswith(f"pkg:mlflow/{samples.RUN_ID}?repository_url=")


def test_the_page_names_every_statement_and_no_other():
    page = (Path(__file__).parents[2] / "docs" / "evidence.md").read_text("utf-8")
    table = page.partition("<!-- statements:")[2].partition("<!-- /statements -->")[0]
    assert re.findall(r"^\| [^|]+ \| `([^`]+)` \|", table, re.M) == list(READERS)


def _bad(kind, change):
    statement = loads(every_statement(samples.record())[kind])
    change(statement)
    return statement


def _set(*path):
    *steps, last, value = path

    def change(statement):
        at = statement
        for step in steps:
            at = at[step]
        at[last] = value

    return change


ZERO = "0" * 64
P = "predicate"
CORPUS = {
    "unknown-type": (PROVENANCE, _set("predicateType", "https://slsa.dev/provenance/v2")),
    "type-not-text": (PROVENANCE, _set("predicateType", ["x"])),
    "other-statement": (BOM, _set("_type", "https://in-toto.io/Statement/v0.1")),
    "further-member": (BOM, _set("annotations", {})),
    "no-subject": (BOM, _set("subject", [])),
    "subject-not-a-list": (BOM, _set("subject", 7)),
    "decoy": (BOM, lambda s: s["subject"].append({"name": "x", "digest": {"sha256": ZERO}})),
    "second-digest": (BOM, _set("subject", 0, "digest", "sha1", "0" * 40)),
    "root-too-short": (BOM, _set("subject", 0, "digest", "sha256", "00")),
    "root-in-capitals": (BOM, _set("subject", 0, "digest", "sha256", "A" * 64)),
    "name-not-text": (BOM, _set("subject", 0, "name", None)),
    "predicate-a-list": (RELEASE_EVIDENCE, _set(P, [])),
    "release-not-a-digest": (RELEASE_EVIDENCE, _set(P, "release", "sha256:0")),
    "integrity-ignores-paths": (
        MODEL_SIGNATURE,
        _set(P, "serialization", "ignore_paths", ["model.pkl"]),
    ),
    "integrity-by-shards": (MODEL_SIGNATURE, _set(P, "serialization", "method", "shards")),
    "integrity-without-files": (MODEL_SIGNATURE, _set(P, "resources", [])),
    "integrity-other-file": (MODEL_SIGNATURE, _set(P, "resources", 0, "digest", ZERO)),
    "integrity-other-algorithm": (MODEL_SIGNATURE, _set(P, "resources", 0, "algorithm", "blake2")),
    "integrity-file-twice": (
        MODEL_SIGNATURE,
        lambda s: s[P]["resources"].append(s[P]["resources"][0]),
    ),
    "provenance-of-a-builder": (PROVENANCE, _set(P, "runDetails", "builder", "id", "https://ci")),
    "provenance-claims-a-level": (PROVENANCE, _set(P, "runDetails", "level", "SLSA_BUILD_LEVEL_3")),
    "provenance-of-no-record": (PROVENANCE, _set(P, "runDetails", "byproducts", [])),
    "provenance-hides-parameters": (
        PROVENANCE,
        lambda s: s[P]["buildDefinition"]["externalParameters"].pop("parameters"),
    ),
    "provenance-run-not-text": (PROVENANCE, _set(P, "runDetails", "metadata", "invocationId", 7)),
    "bom-of-another-version": (BOM, _set(P, "specVersion", "1.7")),
    "bom-with-the-serial-of-another": (BOM, _set(P, "serialNumber", f"urn:uuid:{'0' * 36}")),
    "bom-hides-its-files": (BOM, lambda s: s[P]["metadata"]["component"].pop("components")),
    "bom-file-by-sha1": (
        BOM,
        _set(P, "metadata", "component", "components", 0, "hashes", 0, "alg", "SHA-1"),
    ),
    "test-result-contradicts-itself": (TEST_RESULT, _set(P, "result", "PASSED")),
    "test-result-without-a-policy": (
        TEST_RESULT,
        lambda s: s[P]["configuration"].pop(0),
    ),
    "summary-passed-after-all": (VSA, _set(P, "verificationResult", "PASSED")),
    "summary-claims-a-level": (VSA, _set(P, "verifiedLevels", ["SLSA_BUILD_LEVEL_3"])),
    "summary-later-than-the-decision": (VSA, _set(P, "timeVerified", "2030-01-01T00:00:00.000Z")),
    "summary-of-another-policy": (VSA, _set(P, "policy", "digest", "sha256", ZERO)),
    "summary-for-another-environment": (VSA, _set(P, DECISION, "environment", "lab")),
    "summary-that-never-expires": (VSA, _set(P, DECISION, "expires_at", "2999-01-01")),
    "summary-of-another-verifier": (VSA, _set(P, "verifier", "id", "https://example.org")),
    "summary-without-a-decision": (VSA, lambda s: s[P].pop(DECISION)),
}


@pytest.mark.parametrize("name", CORPUS)
def test_any_other_form_is_refused(name):
    kind, change = CORPUS[name]
    with pytest.raises(BadEnvelope):
        read_statement(_bad(kind, change))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.sampled_from(sorted(READERS)), JSON)
def test_nonsense_as_a_predicate_is_refused_and_nothing_else_happens(kind, nonsense):
    statement = loads(captured(samples.record())[RELEASE_EVIDENCE])
    statement |= {"predicateType": kind, "predicate": nonsense}
    with pytest.raises(BadEnvelope):
        read_statement(statement)


@given(JSON)
def test_nonsense_as_a_statement_is_refused(nonsense):
    with pytest.raises(BadEnvelope):
        read_statement(nonsense)
