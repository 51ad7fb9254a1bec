"""Statements of others: verified before they are believed, kept once, or in quarantine."""

from __future__ import annotations

import base64
import json
import subprocess

import pytest

from mlflow_evidence_plugin.record import canonical
from mlflow_evidence_plugin.signing import Keyring, SigningKey, bundle_of, sign
from mlflow_evidence_plugin.signing.signers import read_signers
from mlflow_evidence_plugin.statements import PAYLOAD_TYPE
from mlflow_evidence_plugin.verify import Expected, verify_archive
from tests.contract.checked import Client

SCAN = "https://in-toto.io/attestation/vulns/v0.1"


@pytest.fixture(scope="module")
def scanner(tmp_path_factory):
    return SigningKey.create(tmp_path_factory.mktemp("scanner") / "key.pem")


@pytest.fixture(scope="module")
def case(admin, maker, service, scanner):
    """A captured version, and the application that trusts a scanner."""
    model = maker.new_name("scanned")
    version = maker.version(model, maker.run(files={"model/w.bin": model}))
    digest = admin.capture(model=model, version=version).json["digest"]
    record = service.evidence.capturing.bundles.get(digest).record()
    told = {"name": "scanner", "pem": scanner.public_pem.decode(), "predicate_types": [SCAN]}
    signers = read_signers(json.dumps({"signers": [told]}).encode())
    return service.app(signers=signers), record


@pytest.fixture(scope="module")
def ingest(case, service):
    return Client(case[0], service.token("ci", "ingest", "evidence:read"))


def stated(record, kind=SCAN, root=None, name=None, more=(), number=0):
    subject = {"name": name or record.subject.name, "digest": {"sha256": root or record.root}}
    return canonical(
        {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [*more, subject],
            "predicateType": kind,
            "predicate": {"scanner": {"uri": "https://scanner.example"}, "number": number},
        }
    )


def send(client, data):
    headers = {"Content-Type": "application/json"}
    return client.open("POST", "/v1/attestations", data=data, headers=headers)


def test_a_trusted_statement_counts_is_logged_and_lies_in_the_archive(
    ingest, case, scanner, service, tmp_path
):
    _, record = case
    envelope = sign(stated(record), PAYLOAD_TYPE, scanner)
    kept = send(ingest, envelope)
    assert (kept.status_code, kept.json["state"], kept.json["signer"]) == (
        201,
        "trusted",
        "scanner",
    )
    assert kept.json["record"] == record.digest
    assert ingest.get(f"/v1/ledger/statements/{kept.json['digest']}").status_code == 200
    about = ingest.get(f"/v1/bundles/{record.digest}/attestations").json["items"]
    assert [one["digest"] for one in about] == [kept.json["digest"]]
    again = send(ingest, bundle_of(envelope, scanner.id))
    assert (again.status_code, again.json) == (200, kept.json)
    padded = json.dumps({**json.loads(envelope), "payloadType": PAYLOAD_TYPE}, indent=3).encode()
    assert send(ingest, padded).json == kept.json
    archive = tmp_path / "a.zip"
    archive.write_bytes(ingest.get(f"/v1/bundles/{record.digest}/archive").data)
    ours = (service.home / "public-key.pem").read_bytes()
    expected = Expected("2100-01-01T00:00:00.000Z")
    alone = verify_archive(archive, Keyring.of([ours]), expected)
    both = verify_archive(archive, Keyring.of([ours, scanner.public_pem]), expected)
    assert (alone.passed, both.passed) == (True, True), alone.document()
    told = [one for one in alone.unproven if "a key that was not given" in one]
    assert (len(told), [one for one in both.unproven if "not given" in one]) == (1, [])


def test_an_unknown_signer_is_quarantined_until_it_is_trusted(ingest, case, service, tmp_path):
    _, record = case
    stranger = SigningKey.create(tmp_path / "stranger.pem")
    envelope = sign(stated(record, number=1), PAYLOAD_TYPE, stranger)
    kept = send(ingest, envelope)
    assert (kept.status_code, kept.json["state"], kept.json["signer"]) == (201, "quarantined", None)
    assert ingest.get(f"/v1/ledger/statements/{kept.json['digest']}").status_code == 404
    told = {"name": "new", "pem": stranger.public_pem.decode(), "predicate_types": ["*"]}
    signers = read_signers(json.dumps({"signers": [told]}).encode())
    trusting = service.app(signers=signers)
    later = send(Client(trusting, ingest.token), envelope)
    assert (later.status_code, later.json["state"]) == (200, "trusted")
    assert ingest.get(f"/v1/ledger/statements/{kept.json['digest']}").status_code == 200


def test_a_signer_may_state_only_what_it_is_trusted_with(ingest, case, scanner):
    envelope = sign(stated(case[1], kind="https://other.example/v1"), PAYLOAD_TYPE, scanner)
    assert send(ingest, envelope).json["state"] == "quarantined"


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_other_kinds_of_keys_are_taken(case, service, tmp_path, kind, ingest):
    options = {"ed25519": ["-algorithm", "ED25519"], "rsa": ["-algorithm", "RSA"]}[kind]
    key, public, signed = tmp_path / "k.pem", tmp_path / "p.pem", tmp_path / "signed"
    subprocess.run(["openssl", "genpkey", *options, "-out", key], check=True, capture_output=True)
    subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-out", public], check=True)
    payload = stated(case[1], number=len(kind))
    head = f"DSSEv1 {len(PAYLOAD_TYPE)} {PAYLOAD_TYPE} {len(payload)} ".encode()
    signed.write_bytes(head + payload)
    made = {
        "ed25519": ["pkeyutl", "-sign", "-rawin", "-inkey", key, "-in", signed],
        "rsa": ["dgst", "-sha256", "-sigopt", "rsa_padding_mode:pss", "-sign", key, signed],
    }[kind]
    signature = subprocess.run(["openssl", *made], check=True, capture_output=True).stdout
    envelope = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"sig": base64.b64encode(signature).decode(), "keyid": "x"}],
    }
    told = {"name": kind, "pem": public.read_text(), "predicate_types": ["*"]}
    signers = read_signers(json.dumps({"signers": [told]}).encode())
    app = service.app(signers=signers)
    kept = send(Client(app, ingest.token), json.dumps(envelope).encode())
    assert kept.json["state"] == "trusted", kept.json


BAD = {
    "no-json": b"{",
    "no-envelope": b"{}",
    "two-keys": b'{"payload": "", "payload": ""}',
    "no-statement": lambda r: b"{}",
    "another-type": lambda r: stated(r).replace(b"Statement/v1", b"Statement/v9"),
    "ours": lambda r: stated(r, kind="https://slsa.dev/verification_summary/v1"),
}


@pytest.mark.parametrize("wrong", BAD)
def test_what_is_no_attestation_is_refused(ingest, case, scanner, wrong):
    made = BAD[wrong]
    data = sign(made(case[1]), PAYLOAD_TYPE, scanner) if callable(made) else made
    assert send(ingest, data).status_code in (400, 422)


def test_an_unknown_or_foreign_subject_is_not_there(ingest, case, scanner, service):
    app, record = case
    unknown = sign(stated(record, root="0" * 64), PAYLOAD_TYPE, scanner)
    assert send(ingest, unknown).status_code == 404
    stranger = Client(app, service.token("s", "ingest", models=("other*",)))
    known = sign(stated(record, number=9), PAYLOAD_TYPE, scanner)
    assert send(stranger, known).status_code == 404
    reader = Client(app, service.token("r", "evidence:read"))
    assert send(reader, known).status_code == 403


NO_LISTS = (
    "",
    "[]",
    "{}",
    '{"signers": {}}',
    '{"signers": [{"name": "x"}]}',
    '{"signers": [{"name": "x", "pem": "x", "predicate_types": ["*"]}]}',
    '{"signers": [{"name": "x", "pem": "x", "predicate_types": []}]}',
)


@pytest.mark.parametrize("document", NO_LISTS)
def test_a_list_of_signers_that_is_none_is_refused(document):
    from mlflow_evidence_plugin.errors import BadConfig

    with pytest.raises(BadConfig):
        read_signers(document.encode())
