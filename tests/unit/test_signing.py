"""Keys and envelopes: private, exact, and refused when anything is off."""

from __future__ import annotations

import base64
import json
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_public_key,
)
from hypothesis import given
from hypothesis import strategies as st

from mlflow_evidence_plugin.errors import (
    BadConfig,
    BadEnvelope,
    BadSignature,
    EvidenceError,
    NoTrust,
)
from mlflow_evidence_plugin.signing import Keyring, SigningKey, open_envelope, sign

TYPE = "application/vnd.in-toto+json"


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    return SigningKey.create(tmp_path_factory.mktemp("key") / "signing-key.pem")


@pytest.fixture(scope="module")
def trusted(key):
    return Keyring.of([key.public_pem])


def test_a_key_is_private_from_the_first_moment(tmp_path):
    path = tmp_path / "signing-key.pem"
    SigningKey.create(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_many_who_start_at_once_get_one_key(tmp_path):
    path = tmp_path / "signing-key.pem"
    first = SigningKey.create(path)
    assert SigningKey.create(path).id == first.id
    assert SigningKey.load(path).id == first.id


def test_the_key_is_never_shown(key):
    assert "PRIVATE" not in repr(key)
    assert "signer" not in repr(key)


@given(payload=st.binary(max_size=200), kind=st.text(min_size=1, max_size=20))
def test_what_was_signed_opens_as_the_same_bytes(key, trusted, payload, kind):
    kind = kind.encode("utf-8", "ignore").decode() or "x"
    opened = open_envelope(sign(payload, kind, key), trusted)
    assert (opened.payload, opened.payload_type, opened.key.id) == (payload, kind, key.id)


def test_the_signature_is_over_the_published_encoding(key):
    """Checked with cryptography alone, against DSSE's own definition of what is signed."""
    document = json.loads(sign(b"hello world", "http://example.com/HelloWorld", key))
    encoded = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    public = load_pem_public_key(key.public_pem)
    signature = base64.b64decode(document["signatures"][0]["sig"])
    public.verify(signature, encoded, ec.ECDSA(hashes.SHA256()))
    assert document["signatures"][0]["keyid"] == ""


def test_without_a_key_to_trust_nothing_verifies():
    with pytest.raises(NoTrust):
        Keyring.of([])


def test_another_key_does_not_verify(key, tmp_path):
    other = SigningKey.create(tmp_path / "other.pem")
    with pytest.raises(BadSignature):
        open_envelope(sign(b"x", TYPE, key), Keyring.of([other.public_pem]))
    both = Keyring.of([other.public_pem, key.public_pem])
    assert open_envelope(sign(b"x", TYPE, key), both).key.id == key.id


def _altered(data: bytes, **changes) -> bytes:
    return json.dumps(json.loads(data) | changes).encode()


def _flip(text: str) -> str:
    raw = bytearray(base64.b64decode(text))
    raw[len(raw) // 2] ^= 1
    return base64.b64encode(bytes(raw)).decode()


CORPUS = {
    "bad-signature__flipped-payload": lambda d: d | {"payload": _flip(d["payload"])},
    "bad-signature__flipped-signature": lambda d: (
        d | {"signatures": [{"keyid": "", "sig": _flip(d["signatures"][0]["sig"])}]}
    ),
    "bad-signature__empty-signature": lambda d: d | {"signatures": [{"keyid": "", "sig": ""}]},
    "bad-signature__other-type": lambda d: d | {"payloadType": "text/plain"},
    "bad-signature__type-with-non-ascii": lambda d: d | {"payloadType": TYPE + "é"},
    "bad-envelope__two-signatures": lambda d: d | {"signatures": d["signatures"] * 2},
    "bad-envelope__no-signature": lambda d: d | {"signatures": []},
    "bad-envelope__signatures-not-a-list": lambda d: d | {"signatures": {"sig": "x"}},
    "bad-envelope__no-payload": lambda d: {k: v for k, v in d.items() if k != "payload"},
    "bad-envelope__more-members": lambda d: d | {"more": 1},
    "bad-envelope__payload-not-base64": lambda d: d | {"payload": "!!"},
    "bad-envelope__payload-not-text": lambda d: d | {"payload": 7},
    "bad-envelope__type-not-text": lambda d: d | {"payloadType": 7},
    "bad-envelope__a-list": lambda d: [d],
    "bad-envelope__null": lambda d: None,
}


@pytest.mark.parametrize("name", CORPUS)
def test_an_altered_envelope_is_refused_with_its_code(name, key, trusted):
    document = CORPUS[name](json.loads(sign(b'{"a":1}', TYPE, key)))
    with pytest.raises(EvidenceError) as refused:
        open_envelope(json.dumps(document).encode(), trusted)
    assert refused.value.code == name.split("__")[0]


@pytest.mark.parametrize("data", [b"", b"\xff", b"[" * 100_000, b"x" * (9 << 20)])
def test_what_is_no_envelope_is_refused(data, trusted):
    with pytest.raises(BadEnvelope):
        open_envelope(data, trusted)


def _pem(private) -> bytes:
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


BAD_KEYS = {
    "rubbish": b"not a key",
    "empty": b"",
    "other-curve": _pem(ec.generate_private_key(ec.SECP384R1())),
    "other-kind": _pem(ed25519.Ed25519PrivateKey.generate()),
}


@pytest.mark.parametrize("pem", BAD_KEYS.values(), ids=BAD_KEYS)
def test_a_key_that_cannot_sign_is_refused_with_what_to_do(pem, tmp_path):
    path = tmp_path / "key.pem"
    path.write_bytes(pem)
    path.chmod(0o600)
    with pytest.raises(BadConfig) as refused:
        SigningKey.load(path)
    assert refused.value.mend


def test_a_key_open_to_others_is_refused(tmp_path):
    path = tmp_path / "key.pem"
    SigningKey.create(path)
    path.chmod(0o640)
    with pytest.raises(BadConfig, match="open to others"):
        SigningKey.load(path)


def test_a_missing_key_is_not_silently_made(tmp_path):
    with pytest.raises(BadConfig):
        SigningKey.load(tmp_path / "absent.pem")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("pem", [b"", b"rubbish", BAD_KEYS["other-kind"]])
def test_a_key_to_trust_must_be_a_public_key(pem):
    with pytest.raises(BadConfig):
        Keyring.of([pem])


def test_keys_made_at_the_same_moment_by_threads_are_one(tmp_path):
    path = tmp_path / "signing-key.pem"
    with ThreadPoolExecutor(4) as pool:
        assert len({key.id for key in pool.map(SigningKey.create, [path] * 4)}) == 1
