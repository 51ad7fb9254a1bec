"""Sigstore bundles: an envelope goes in and the same comes out; anything else is refused."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope

from mlflow_evidence_plugin.errors import BadEnvelope
from mlflow_evidence_plugin.signing import (
    Keyring,
    SigningKey,
    bundle_of,
    open_bundle,
    open_envelope,
    sign,
)
from mlflow_evidence_plugin.signing.sigstore import BUNDLE, SIZE_LIMIT

TYPE = "application/vnd.in-toto+json"
STAMPS = (b"\x30\x01", b"\x30\x02")


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    return SigningKey.create(tmp_path_factory.mktemp("key") / "k.pem")


@given(st.binary(max_size=50), st.text(min_size=1, max_size=20), st.lists(st.binary(min_size=1)))
def test_an_envelope_its_hint_and_its_timestamps_come_out_as_they_went_in(key, data, hint, stamps):
    envelope = sign(data or b"{}", TYPE, key)
    bundle = bundle_of(envelope, hint, stamps)
    assert open_bundle(bundle) == (envelope, hint, tuple(stamps))
    assert bundle_of(envelope, hint, stamps) == bundle


@given(st.binary(min_size=1, max_size=50), st.text(st.characters(exclude_categories=("Cs",))))
def test_what_is_signed_is_the_payload_and_its_type_counted_in_bytes(key, data, kind):
    said = kind.encode()
    pae = b"DSSEv1 %d %b %d %b" % (len(said), said, len(data), data)
    assert Envelope(data, kind, {}).pae() == pae
    envelope = open_bundle(bundle_of(sign(data, kind, key), key.id))[0]
    opened = open_envelope(envelope, Keyring.of([key.public_pem]))
    assert (opened.payload, opened.payload_type) == (data, kind)


def test_the_form_is_the_one_that_public_verifiers_take(key):
    document = json.loads(bundle_of(sign(b"{}", TYPE, key), key.id, STAMPS))
    assert document["mediaType"] == "application/vnd.dev.sigstore.bundle.v0.3+json"
    material = document["verificationMaterial"]
    assert material["tlogEntries"] == []
    assert material["publicKey"] == {"hint": key.id}
    stamps = material["timestampVerificationData"]["rfc3161Timestamps"]
    assert [base64.b64decode(one["signedTimestamp"]) for one in stamps] == list(STAMPS)
    (signature,) = document["dsseEnvelope"]["signatures"]
    assert signature["keyid"] == ""


def test_a_bundle_as_model_signing_writes_it_can_be_opened(key):
    document = json.loads(bundle_of(sign(b"{}", TYPE, key), key.id))
    del document["dsseEnvelope"]["signatures"][0]["keyid"]
    envelope, _, _ = open_bundle(json.dumps(document, indent=1).encode())
    assert envelope == sign_again(envelope)
    assert json.loads(envelope)["signatures"][0]["keyid"] == ""


def sign_again(envelope):
    return json.dumps(json.loads(envelope), separators=(",", ":"), sort_keys=True).encode()


def _changed(change):
    def alter(data):
        document = json.loads(data)
        change(document)
        return json.dumps(document).encode()

    return alter


def _material(change):
    return _changed(lambda d: change(d["verificationMaterial"]))


def _envelope(change):
    return _changed(lambda d: change(d["dsseEnvelope"]))


CERTIFICATE = {"certificate": {"rawBytes": "AAAA"}}
CHAIN = {"x509CertificateChain": {"certificates": [{"rawBytes": "AAAA"}]}}
BAD = {
    "empty": lambda data: b"",
    "truncated": lambda data: data[:-1],
    "a-list": lambda data: b"[]",
    "not-utf8": lambda data: b"\xff" + data,
    "deep": lambda data: b"[" * 50_000,
    "duplicate-keys": lambda data: data.replace(b'"mediaType"', b'"mediaType":"x","mediaType"', 1),
    "too-large": lambda data: b" " * (SIZE_LIMIT + 1),
    "no-media-type": _changed(lambda d: d.pop("mediaType")),
    "version-0.2": _changed(lambda d: d.update(mediaType=BUNDLE.replace("v0.3", "v0.2"))),
    "version-0.4": _changed(lambda d: d.update(mediaType=BUNDLE.replace("v0.3", "v0.4"))),
    "old-media-type": _changed(
        lambda d: d.update(mediaType="application/vnd.dev.sigstore.bundle+json;version=0.3")
    ),
    "further-member": _changed(lambda d: d.update(note="x")),
    "message-signature": _changed(lambda d: d.update(messageSignature=d.pop("dsseEnvelope"))),
    "no-tlog-entries": _material(lambda m: m.pop("tlogEntries")),
    "tlog-entries-null": _material(lambda m: m.update(tlogEntries=None)),
    "certificate": _material(lambda m: (m.pop("publicKey"), m.update(CERTIFICATE))),
    "certificate-chain": _material(lambda m: (m.pop("publicKey"), m.update(CHAIN))),
    "certificate-beside-the-key": _material(lambda m: m.update(CERTIFICATE)),
    "no-hint": _material(lambda m: m.update(publicKey={})),
    "empty-hint": _material(lambda m: m.update(publicKey={"hint": ""})),
    "hint-not-text": _material(lambda m: m.update(publicKey={"hint": 7})),
    "material-a-list": _changed(lambda d: d.update(verificationMaterial=[])),
    "timestamps-a-list": _material(lambda m: m.update(timestampVerificationData=[1])),
    "timestamp-not-base64": _material(
        lambda m: m.update(
            timestampVerificationData={"rfc3161Timestamps": [{"signedTimestamp": "*"}]}
        )
    ),
    "no-signature": _envelope(lambda e: e.update(signatures=[])),
    "two-signatures": _envelope(lambda e: e.update(signatures=e["signatures"] * 2)),
    "signatures-null": _envelope(lambda e: e.update(signatures=None)),
    "signature-not-base64": _envelope(lambda e: e["signatures"][0].update(sig="***")),
    "signature-of-nothing": _envelope(lambda e: e["signatures"][0].update(sig="")),
    "signature-with-a-certificate": _envelope(lambda e: e["signatures"][0].update(cert="x")),
    "key-id-not-text": _envelope(lambda e: e["signatures"][0].update(keyid=7)),
    "payload-not-base64": _envelope(lambda e: e.update(payload="{}")),
    "payload-type-not-text": _envelope(lambda e: e.update(payloadType=None)),
    "envelope-null": _changed(lambda d: d.update(dsseEnvelope=None)),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_bundle_of_that_form_is_refused(name, key):
    whole = bundle_of(sign(b"{}", TYPE, key), key.id)
    open_bundle(whole)
    with pytest.raises(BadEnvelope):
        open_bundle(BAD[name](whole))


def test_a_certificate_is_refused_with_a_clear_word(key):
    whole = bundle_of(sign(b"{}", TYPE, key), key.id)
    with pytest.raises(BadEnvelope, match="certificate"):
        open_bundle(BAD["certificate"](whole))


@pytest.mark.parametrize("envelope", [b"", b"{}", b"[]", b'{"payload":"","payloadType":"x"}'])
def test_no_bundle_is_made_of_what_is_no_envelope(envelope):
    with pytest.raises(BadEnvelope):
        bundle_of(envelope, "k")


@given(st.binary(max_size=60))
def test_noise_is_refused(noise):
    with pytest.raises(BadEnvelope):
        open_bundle(noise)
