"""DSSE envelopes: signed once, and opened only against keys that the caller trusts."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Any

from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import Error, UnverifiedSignatureError, VerificationError
from securesystemslib.signer import Signature

from ..errors import BadEnvelope, BadSignature
from .keys import Keyring, SigningKey

SIZE_LIMIT = 8 << 20
_PARTS = {"payload", "payloadType", "signatures"}


@dataclass(frozen=True)
class Verified:
    """A payload whose signature was verified. Only `open_envelope` makes one."""

    payload: bytes = field(repr=False)
    payload_type: str
    key_id: str


def sign(payload: bytes, payload_type: str, key: SigningKey) -> bytes:
    """The DSSE envelope of a payload, as JSON.

    Its `keyid` is empty: public verifiers skip a signature whose hint they do not know.
    """
    envelope = Envelope(payload, payload_type, {})
    made = key.signer.sign(envelope.pae())
    signature = {"keyid": "", "sig": base64.b64encode(bytes.fromhex(made.signature)).decode()}
    document = envelope.to_dict() | {"signatures": [signature]}
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()


def open_envelope(data: bytes, trusted: Keyring) -> Verified:
    """Verify, then hand out the payload. BadEnvelope or BadSignature, and nothing half-read."""
    payload, payload_type, signature = _parts(data)
    envelope = Envelope(payload, payload_type, {})
    for key_id, key in trusted.keys:
        try:
            key.verify_signature(Signature(key.keyid, signature.hex()), envelope.pae())
        except (UnverifiedSignatureError, VerificationError):
            continue
        except (Error, ValueError, KeyError) as error:
            raise BadSignature(f"the signature cannot be checked: {error}") from error
        return Verified(payload, payload_type, key_id)
    raise BadSignature(
        "no key that you trust made this signature",
        "it was altered, or signed by another service: get the evidence and the key anew",
    )


def _parts(data: bytes) -> tuple[bytes, str, bytes]:
    if len(data) > SIZE_LIMIT:
        raise BadEnvelope(f"an envelope of {len(data)} bytes; {SIZE_LIMIT} are allowed")
    try:
        document: Any = json.loads(data)
        if set(document) != _PARTS:
            raise BadEnvelope("not a DSSE envelope: it has other members than DSSE names")
        signatures = document["signatures"]
        if not isinstance(signatures, list) or len(signatures) != 1:
            raise BadEnvelope("an envelope of ours has exactly one signature")
        payload = base64.b64decode(document["payload"], validate=True)
        signature = base64.b64decode(signatures[0]["sig"], validate=True)
        payload_type = document["payloadType"]
        if not isinstance(payload_type, str):
            raise BadEnvelope("not a DSSE envelope: payloadType is not text")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise BadEnvelope(f"not a DSSE envelope: {error!r}") from error
    return payload, payload_type, signature
