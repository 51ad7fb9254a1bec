"""The log over REST: signed heads, proven leaves, and growth in which nothing is lost."""

from __future__ import annotations

import base64

import pytest

from mlflow_evidence_plugin.errors import BadSignature, LedgerForked
from mlflow_evidence_plugin.ledger import check_consistency, check_inclusion
from mlflow_evidence_plugin.ledger.checkpoint import read_checkpoint
from mlflow_evidence_plugin.ledger.leaf import leaf_of
from mlflow_evidence_plugin.record import digest_of
from mlflow_evidence_plugin.signing import Keyring, open_note
from tests.contract.checked import Client

UNKNOWN = "sha256:" + "0" * 64


@pytest.fixture
def trust(admin):
    """The trust document, as a stranger without a token gets it."""
    answer = Client(admin.app, None).get("/v1/trust")
    assert answer.status_code == 200
    return answer


@pytest.fixture
def opened(trust):
    """Opens a signed head."""
    trusted = Keyring.of([], [trust.data])
    return lambda note: read_checkpoint(open_note(note, trust.json["ledger"], trusted)[0])


def raw(proof):
    return [base64.b64decode(one) for one in proof]


def test_the_trust_document_names_the_key_that_signs(service, trust):
    (key,) = trust.json["keys"]
    assert key["pem"].encode() == (service.home / "public-key.pem").read_bytes()
    assert (key["not_before"] < "2100", key["not_after"]) == (True, None)


def test_all_that_was_signed_about_a_subject_is_proven_under_one_head(admin, captured, opened):
    found = admin.get(f"/v1/bundles/{captured.good}/chain").json
    head = opened(found["checkpoint"])
    assert found["leaves"]
    for one in found["leaves"]:
        proof = raw(one["proof"])
        check_inclusion(leaf_of(one["leaf"]).hash, one["index"], head.size, proof, head.root)
    assert [one["leaf"]["sequence"] for one in found["leaves"]] == list(range(len(found["leaves"])))


def test_each_statement_of_a_bundle_has_its_leaf(admin, service, captured, opened):
    stored = service.evidence.capturing.bundles.get(captured.good)
    for envelope in stored.envelopes:
        found = admin.get(f"/v1/ledger/statements/{digest_of(envelope)}").json
        head, leaf = opened(found["checkpoint"]), leaf_of(found["leaf"])
        assert leaf.statement == digest_of(envelope)
        check_inclusion(leaf.hash, found["index"], head.size, raw(found["proof"]), head.root)
    assert admin.get(f"/v1/ledger/statements/{UNKNOWN}").status_code == 404


def test_the_log_only_grows_and_proves_it(admin, maker, opened):
    before = opened(admin.get("/v1/ledger/checkpoint").text)
    admin.capture(run_id=maker.run())
    found = admin.get(f"/v1/ledger/consistency?old={before.size}").json
    now = opened(found["checkpoint"])
    assert now.size > before.size
    proof = raw(found["proof"])
    check_consistency((before.size, before.root), (now.size, now.root), proof)
    with pytest.raises(LedgerForked):
        check_consistency((before.size, b"x" * 32), (now.size, now.root), proof)
    again = admin.get(f"/v1/ledger/checkpoint?size={before.size}").text
    assert opened(again) == before


def test_a_head_of_one_size_is_always_the_same_bytes(admin, opened):
    first = admin.get("/v1/ledger/checkpoint").text
    assert admin.get(f"/v1/ledger/checkpoint?size={opened(first).size}").text == first


def test_a_head_that_was_changed_is_refused(admin, opened):
    note = admin.get("/v1/ledger/checkpoint").text
    origin, size, rest = note.split("\n", 2)
    with pytest.raises(BadSignature):
        opened(f"{origin}\n{int(size) + 1}\n{rest}")


@pytest.mark.parametrize(
    "query", ["checkpoint?size=999999", "consistency?old=999999", "consistency?old=2&new=1"]
)
def test_what_the_log_does_not_have_yet_is_bad_input(admin, captured, query):
    assert admin.get(f"/v1/ledger/{query}").status_code == 422


def test_the_chain_of_what_is_foreign_is_not_there(client, tokens, captured):
    assert client(tokens.stranger).get(f"/v1/bundles/{captured.good}/chain").status_code == 404
