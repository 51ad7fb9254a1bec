"""in-toto-attestation, the reference's own classes, reads each statement and its predicate."""

from __future__ import annotations

import json

import pytest
from google.protobuf.json_format import ParseDict, ParseError
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.predicates.test_result.v0 import test_result_pb2
from in_toto_attestation.predicates.vsa.v1 import vsa_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement

from mlflow_evidence_plugin.statements import PROVENANCE, READERS, TEST_RESULT, VSA


def parsed(document: dict) -> Statement:
    found = Statement.copy_from_pb(ParseDict(document, statement_pb2.Statement()))
    found.validate()
    return found


@pytest.mark.parametrize("kind", READERS)
def test_each_statement_is_one(kind, emitted):
    found = parsed(emitted.statement(kind))
    assert found.pb.predicate_type == kind
    (subject,) = found.pb.subject
    assert subject.digest["sha256"] == emitted.record.root


BROKEN = {
    "no-subject": lambda s: s.update(subject=[]),
    "subject-without-a-digest": lambda s: s["subject"][0].pop("digest"),
    "no-predicate": lambda s: s.update(predicate={}),
    "no-type": lambda s: s.update(predicateType=""),
    "other-version": lambda s: s.update(_type="https://in-toto.io/Statement/v0.1"),
    "unknown-member": lambda s: s.update(note="x"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_twin_is_refused(name, emitted):
    document = json.loads(json.dumps(emitted.statement(PROVENANCE)))
    BROKEN[name](document)
    with pytest.raises((ValueError, ParseError)):
        parsed(document)


def test_provenance_and_test_result_have_no_member_that_their_predicates_do_not_know(emitted):
    ParseDict(emitted.statement(TEST_RESULT)["predicate"], test_result_pb2.TestResult())
    found = provenance_pb2.Provenance()
    ParseDict(emitted.statement(PROVENANCE)["predicate"], found)
    assert found.run_details.metadata.invocation_id == emitted.record.run_id
    assert found.run_details.metadata.started_on.seconds > 0


def test_the_summary_reads_as_one_beside_our_own_member(emitted):
    # Its rules of parsing: what a consumer does not know, it leaves alone.
    predicate = emitted.statement(VSA)["predicate"]
    assert predicate.pop("verifiedLevels") == []  # here the package has a text, against the spec
    found = vsa_pb2.VerificationSummary()
    ParseDict(predicate, found, ignore_unknown_fields=True)
    assert found.verification_result == "PASSED"
    assert len(found.input_attestations) == 4
    assert found.resource_uri.startswith("pkg:mlflow/interop")
