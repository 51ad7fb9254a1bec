"""securesystemslib verifies the raw envelopes, with its own reader of keys and envelopes."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

from mlflow_evidence_plugin.signing import SigningKey
from mlflow_evidence_plugin.statements import READERS
from tests.interop.conftest import tampered


def verify(envelope: bytes, pem: bytes) -> None:
    # It looks at a signature only where the key has the same id, and ours is empty in an envelope.
    known = SSlibKey.from_crypto(load_pem_public_key(pem))
    key = SSlibKey("", known.keytype, known.scheme, known.keyval)
    Envelope.from_dict(json.loads(envelope)).verify([key], 1)


@pytest.mark.parametrize("kind", READERS)
def test_the_envelope_verifies_and_its_tampered_twin_does_not(kind, emitted):
    verify(emitted.envelopes[kind], emitted.public.read_bytes())
    with pytest.raises(VerificationError):
        verify(tampered(emitted.envelopes[kind]), emitted.public.read_bytes())


def test_another_key_does_not_verify_it(emitted, tmp_path):
    other = SigningKey.create(tmp_path / "other.pem")
    for envelope in emitted.envelopes.values():
        with pytest.raises(VerificationError):
            verify(envelope, other.public_pem)
