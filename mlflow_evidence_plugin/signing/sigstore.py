"""Sigstore bundles: an envelope as cosign, sigstore-js and model_signing take it.

Kept is the envelope; a bundle is made of it when somebody asks.
https://github.com/sigstore/protobuf-specs/blob/main/protos/sigstore_bundle.proto
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from typing import Any

from ..errors import BadEnvelope, BadRecord
from ..record.canonical import loads

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
SIZE_LIMIT = 16 << 20
_CERTIFICATES = {"certificate", "x509CertificateChain"}


def bundle_of(envelope: bytes, key_id: str, timestamps: Sequence[bytes] = ()) -> bytes:
    """The bundle of an envelope: `key_id` is the SHA-256, in hex, of the public PEM.

    model_signing compares that hint with the key that it is given; others leave it alone.
    `timestamps` are RFC 3161 responses over the signature, in DER. The same bytes each time.
    """
    with _reading():
        material: dict[str, Any] = {"publicKey": {"hint": key_id}, "tlogEntries": []}
        if timestamps:
            signed = [{"signedTimestamp": base64.b64encode(one).decode()} for one in timestamps]
            material["timestampVerificationData"] = {"rfc3161Timestamps": signed}
        document = {
            "mediaType": BUNDLE,
            "verificationMaterial": material,
            "dsseEnvelope": _envelope(loads(envelope)),
        }
    return _compact(document)


def open_bundle(data: bytes) -> tuple[bytes, str, tuple[bytes, ...]]:
    """The envelope, the key's hint and the timestamps of a bundle; nothing is verified here.

    BadEnvelope for what is no bundle v0.3 with one signature by a public key. Entries of a
    transparency log are not looked at.
    """
    if len(data) > SIZE_LIMIT:
        raise BadEnvelope(f"a bundle of {len(data)} bytes; {SIZE_LIMIT} are allowed")
    with _reading():
        document = loads(data)
        if not isinstance(document, dict) or document.get("mediaType") != BUNDLE:
            raise BadEnvelope(f"not a sigstore bundle of the media type {BUNDLE}")
        _only(document, {"mediaType", "verificationMaterial", "dsseEnvelope"})
        material = document["verificationMaterial"]
        if _CERTIFICATES & set(material):
            raise BadEnvelope(
                "the bundle was signed with a certificate, not with a public key",
                "sign it with a key that the verifier is given",
            )
        _only(material, {"publicKey", "tlogEntries"}, {"timestampVerificationData"})
        if not isinstance(material["tlogEntries"], list):
            raise BadEnvelope("the bundle's tlogEntries are no list")
        hint = _only(material["publicKey"], {"hint"})["hint"]
        if not isinstance(hint, str) or not hint:
            raise BadEnvelope("the bundle's key has no hint")
        envelope = _compact(_envelope(document["dsseEnvelope"]))
        return envelope, hint, tuple(_timestamps(material.get("timestampVerificationData", {})))


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except BadRecord as error:
        raise BadEnvelope(f"the bundle is {error.detail}") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadEnvelope(f"not a sigstore bundle: {error!r}") from error


def _only(members: Any, needed: Set[str], possible: Set[str] = frozenset()) -> Any:
    if not isinstance(members, dict) or not needed <= set(members) <= needed | possible:
        raise BadEnvelope(f"not an object with the members {', '.join(sorted(needed))}")
    return members


def _envelope(found: Any) -> dict[str, Any]:
    _only(found, {"payload", "payloadType", "signatures"})
    signatures = found["signatures"]
    if not isinstance(signatures, list) or len(signatures) != 1:
        raise BadEnvelope("an envelope in a bundle has exactly one signature")
    signature = _only(signatures[0], {"sig"}, {"keyid"})
    told = {"keyid": signature.get("keyid", ""), "sig": signature["sig"]}
    if not isinstance(found["payloadType"], str) or not isinstance(told["keyid"], str):
        raise BadEnvelope("payloadType or keyid is not text")
    for encoded in (found["payload"], told["sig"]):
        _decoded(encoded)
    return {
        "payload": found["payload"],
        "payloadType": found["payloadType"],
        "signatures": [told],
    }


def _timestamps(found: Any) -> Iterator[bytes]:
    if found:
        for one in _only(found, {"rfc3161Timestamps"})["rfc3161Timestamps"]:
            yield _decoded(_only(one, {"signedTimestamp"})["signedTimestamp"])


def _decoded(encoded: Any) -> bytes:
    if not isinstance(encoded, str) or not encoded:
        raise BadEnvelope("what should be base64 is not, or is empty")
    return base64.b64decode(encoded, validate=True)


def _compact(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()
