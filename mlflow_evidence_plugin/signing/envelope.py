"""DSSE envelopes: signed once, and opened only against keys that the caller trusts."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from securesystemslib.dsse import Envelope

from ..errors import BadEnvelope, BadRecord
from ..record.canonical import loads
from .keys import SigningKey
from .signers import Signer, signer_of
from .trust import Keyring, PublicKey

SIZE_LIMIT = 8 << 20
_PARTS = {"payload", "payloadType", "signatures"}


@dataclass(frozen=True)
class Verified:
    """A payload whose signature was verified. Only `open_envelope` makes one."""

    payload: bytes = field(repr=False)
    payload_type: str
    key: PublicKey


def sign(payload: bytes, payload_type: str, key: SigningKey) -> bytes:
    """The DSSE envelope of a payload, as JSON.

    Its `keyid` is empty: public verifiers skip a signature whose hint they do not know.
    """
    envelope = Envelope(payload, payload_type, {})
    return _form(payload, payload_type, key.sign(envelope.pae()))


def open_envelope(data: bytes, trusted: Keyring) -> Verified:
    """Verify, then hand out the payload. BadEnvelope or BadSignature, and nothing half-read."""
    payload, payload_type, signature = _parts(data)
    envelope = Envelope(payload, payload_type, {})
    return Verified(payload, payload_type, trusted.signer(envelope.pae(), signature))


def signed_by(data: bytes, signers: Sequence[Signer]) -> tuple[Signer | None, bytes]:
    """Who of these signed an envelope, if anybody, and its payload. BadEnvelope.

    The payload is worth what its signer is: nothing without one.
    """
    payload, payload_type, signature = _parts(data)
    return signer_of(signers, Envelope(payload, payload_type, {}).pae(), signature), payload


def compact(data: bytes) -> bytes:
    """The one form in which an envelope is kept and named: compact JSON, members sorted.

    BadEnvelope for what is not an envelope. A `keyid`, which nobody signed, is emptied.
    """
    payload, payload_type, signature = _parts(data)
    return _form(payload, payload_type, signature)


def _form(payload: bytes, payload_type: str, signature: bytes) -> bytes:
    signatures = [{"keyid": "", "sig": base64.b64encode(signature).decode()}]
    document = Envelope(payload, payload_type, {}).to_dict() | {"signatures": signatures}
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()


def _parts(data: bytes) -> tuple[bytes, str, bytes]:
    if len(data) > SIZE_LIMIT:
        raise BadEnvelope(f"an envelope of {len(data)} bytes; {SIZE_LIMIT} are allowed")
    try:
        document: Any = loads(data)
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
        payload_type.encode()  # JSON can say half a character, which nobody could have signed
    except BadRecord as error:
        raise BadEnvelope(f"the envelope is {error.detail}") from error
    except (ValueError, TypeError, KeyError) as error:
        raise BadEnvelope(f"not a DSSE envelope: {error!r}") from error
    return payload, payload_type, signature
