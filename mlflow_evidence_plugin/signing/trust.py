"""The public keys that a verifier trusts: PEM files, or a service's published trust document."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)
from securesystemslib.exceptions import Error, UnverifiedSignatureError, VerificationError
from securesystemslib.signer import Signature, SSlibKey

from ..errors import BadConfig, BadRecord, BadSignature, NoTrust
from ..record.canonical import loads
from ..record.facts import is_time

TRUST_V1 = "https://mlflow-evidence.dev/trust/v1"
SIZE_LIMIT = 1 << 20
_NAMES = {"id", "pem", "not_before", "not_after"}


@dataclass(frozen=True)
class PublicKey:
    """An ECDSA P-256 key to verify with, and when it was in use.

    `id` is the SHA-256, in hex, of the PEM; `log_hint` is how a signed note names the key. Times
    are RFC 3339 in UTC; None where nothing is known, as of a bare PEM file.
    """

    id: str
    pem: bytes = field(repr=False)
    verifier: Any = field(repr=False, compare=False)
    log_hint: bytes = field(repr=False)
    not_before: str | None = None
    not_after: str | None = None

    @classmethod
    def of(
        cls,
        pem: bytes,
        not_before: str | None = None,
        not_after: str | None = None,
        any_kind: bool = False,
    ) -> PublicKey:
        """From PEM; BadConfig for what is not a P-256 public key.

        With `any_kind` RSA, Ed25519 and the other NIST curves are taken too: others sign with them.
        """
        try:
            key = load_pem_public_key(pem)
            p256 = isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == "secp256r1"
            if not p256 and not any_kind:
                raise ValueError("not a P-256 key")
            known = SSlibKey.from_crypto(key)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            mend = "give the PEM file that starts with -----BEGIN PUBLIC KEY-----"
            said = "the key to trust is not a PEM public key (ECDSA P-256)"
            raise BadConfig(said, mend) from error
        text = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        hint = hashlib.sha256(der).digest()[:4]
        return cls(hashlib.sha256(text).hexdigest(), text, known, hint, not_before, not_after)

    def signed(self, data: bytes, signature: bytes) -> bool:
        """Whether this key made the signature (DER). BadSignature if that cannot be told."""
        try:
            known = Signature(self.verifier.keyid, signature.hex())
            self.verifier.verify_signature(known, data)
        except (UnverifiedSignatureError, VerificationError):
            return False
        except (Error, ValueError, KeyError) as error:
            raise BadSignature(f"the signature cannot be checked: {error}") from error
        return True

    def outside(self, at: str) -> bool:
        """Whether the key was not in use at a time."""
        early = self.not_before is not None and at < self.not_before
        return early or (self.not_after is not None and at > self.not_after)

    def document(self) -> dict[str, Any]:
        """The key as it stands in a trust document."""
        times = {"not_before": self.not_before, "not_after": self.not_after}
        return {"id": self.id, "pem": self.pem.decode(), **times}


@dataclass(frozen=True)
class Keyring:
    """Public keys that a verifier trusts, and the logs that trust documents name."""

    keys: tuple[PublicKey, ...]
    logs: tuple[str, ...] = ()
    counted: tuple[tuple[str, int], ...] = ()
    """Logs, and the size beyond which each of them signs how many leaves a subject has."""

    @classmethod
    def of(cls, pems: Iterable[bytes], documents: Iterable[bytes] = ()) -> Keyring:
        """From PEM public keys and trust documents. NoTrust when there is no key in them.

        BadConfig for what is neither. A key in a document brings its times along.
        """
        read = [read_trust(document) for document in documents]
        told = [key for one in read for key in one.keys]
        known = {key.id for key in told}
        bare = [PublicKey.of(pem, any_kind=True) for pem in pems]
        keys = (*told, *(key for key in bare if key.id not in known))
        if not keys:
            raise NoTrust(
                "no key to trust was given: a signature proves nothing without one",
                "give --key PUBLIC.pem or --trust TRUST.json, got from the service's operator",
            )
        logs = tuple(log for one in read for log in one.logs)
        return cls(keys, logs, tuple(log for one in read for log in one.counted))

    def counts(self, log: str, size: int) -> bool:
        """Whether a trust document says that under a head of this size leaves are counted."""
        return any(log == one and size > since for one, since in self.counted)

    def signer(self, data: bytes, signature: bytes) -> PublicKey:
        """The key that made a signature; BadSignature when it was none of these."""
        found = next((key for key in self.keys if key.signed(data, signature)), None)
        if found is None:
            raise BadSignature(
                "no key that you trust made this signature",
                "it was altered, or signed by another service: get the evidence and the key anew",
            )
        return found


def trust_document(
    keys: Sequence[PublicKey], ledger: str | None = None, counts_from: int | None = None
) -> bytes:
    """What a service publishes: its current and past keys, and the name of its log.

    Under heads of more than `counts_from` leaves it signs how many are about a subject.
    """
    named: dict[str, Any] = {"schema": TRUST_V1, "ledger": ledger}
    since = {} if counts_from is None else {"counts_from": counts_from}
    return json.dumps(named | since | {"keys": [key.document() for key in keys]}, indent=2).encode()


def read_trust(data: bytes) -> Keyring:
    """What a trust document says, which may be no key; BadConfig for anything else."""
    mend = "give the file that the service publishes under /v1/trust"
    try:
        document = loads(data) if len(data) <= SIZE_LIMIT else None
    except BadRecord as error:
        raise BadConfig(f"the trust document is {error.detail}", mend) from error
    if not isinstance(document, dict) or document.get("schema") != TRUST_V1:
        raise BadConfig("not a trust document of a version that is known here", mend)
    keys, log, since = (document.get(name) for name in ("keys", "ledger", "counts_from"))
    if not isinstance(keys, list) or not all(_well_formed(one) for one in keys):
        raise BadConfig("the trust document's keys are not as they should be", mend)
    if not isinstance(log, str | None):
        raise BadConfig("the trust document names no log, but something else", mend)
    if isinstance(since, bool) or not isinstance(since, int | None):
        raise BadConfig("the trust document does not say from where on leaves are counted", mend)
    found = [PublicKey.of(one["pem"].encode(), one["not_before"], one["not_after"]) for one in keys]
    if [key.id for key in found] != [one["id"] for one in keys]:
        raise BadConfig("a key of the trust document does not have the id that it says", mend)
    logs = () if log is None else (log,)
    counted = () if log is None or since is None else ((log, since),)
    return Keyring(tuple(found), logs, counted)


def _well_formed(one: Any) -> bool:
    if not isinstance(one, dict) or set(one) != _NAMES or not isinstance(one["pem"], str):
        return False
    if not one["pem"].isascii():
        return False
    return all(one[name] is None or is_time(one[name]) for name in ("not_before", "not_after"))
