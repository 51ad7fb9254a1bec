"""RFC 3161 timestamps: an authority's word on when a signature was there.

Stamped are the bytes of the signature itself, as sigstore does it. Kept is the whole response,
without certificates: whoever verifies brings those that they trust.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from cryptography.x509 import (
    Certificate,
    ExtendedKeyUsage,
    ExtensionNotFound,
    load_pem_x509_certificates,
)
from cryptography.x509.oid import ExtendedKeyUsageOID
from rfc3161_client import (
    HashAlgorithm,
    TimeStampRequest,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from ..errors import BadConfig, BadTimestamp, EvidenceError
from ..policy.decision import rfc3339
from ..record.canonical import loads
from .trust import PublicKey

SIZE_LIMIT = 64 << 10
"""Bytes of a response; one without certificates has about 500."""


@dataclass(frozen=True)
class Stamp:
    """When a signature was there: between two times (RFC 3339, UTC), as exactly as was told."""

    time: str
    until: str

    def outside(self, key: PublicKey) -> bool:
        """Whether the key was not in use then."""
        return key.outside(self.time) and key.outside(self.until)


@dataclass(frozen=True)
class Question:
    """What an authority is asked about the signature of an envelope."""

    signature: bytes = field(repr=False)
    request: TimeStampRequest

    @classmethod
    def about(cls, envelope: bytes) -> Question:
        """For an envelope of ours. No certificates are asked for: verifiers have their own."""
        signature = signature_of(envelope)
        asked = TimestampRequestBuilder().data(signature).hash_algorithm(HashAlgorithm.SHA256)
        return cls(signature, asked.nonce(nonce=True).cert_request(cert_request=False).build())

    @property
    def data(self) -> bytes:
        """The request, DER."""
        return self.request.as_bytes()

    def answered(self, response: bytes) -> Stamp:
        """What the response says; BadTimestamp unless it answers this very question.

        Whether it is the authority's own is for those to say who trust it.
        """
        with _reading():
            found = _decoded(response)
            if found.status != 0:
                raise BadTimestamp(f"the authority refused, with the status {found.status}")
            told, asked = found.tst_info.message_imprint, self.request.message_imprint
            if (told.message, found.tst_info.nonce) != (asked.message, self.request.nonce):
                raise BadTimestamp("the authority answered another question")
            return _stamp(found)


@dataclass(frozen=True)
class Authorities:
    """Certificates by which a verifier trusts timestamps."""

    leaves: tuple[Certificate, ...] = field(repr=False)
    certificates: tuple[Certificate, ...] = field(repr=False)

    @classmethod
    def of(cls, pems: Iterable[bytes]) -> Authorities:
        """From PEM files: each authority's own certificate, and those above it; BadConfig."""
        mend = "give PEM files with the authority's own certificate and those above it"
        try:
            found = [one for pem in pems for one in load_pem_x509_certificates(pem)]
            leaves = tuple(one for one in found if _stamps(one))
        except ValueError as error:
            said = "the timestamp authority's certificate is not a PEM certificate"
            raise BadConfig(said, mend) from error
        if not leaves:
            raise BadConfig("none of the certificates is for timestamps (timeStamping)", mend)
        return cls(leaves, tuple(found))

    def stamped(self, envelope: bytes, response: bytes) -> Stamp:
        """When an authority that is trusted saw the signature of an envelope; BadTimestamp."""
        signature, why = signature_of(envelope), ""
        with _reading():
            found = _decoded(response)
            for leaf in self.leaves:
                known = VerifierBuilder(tsa_certificate=leaf, roots=list(self.certificates))
                try:
                    known.build().verify_message(found, signature)
                except VerificationError as error:
                    why = why or str(error).partition(": ErrorStack")[0]  # OpenSSL's own
                else:
                    return _stamp(found)
        raise BadTimestamp(
            f"the timestamp is not of this signature by a trusted authority: {why}",
            "get the evidence anew, and the authority's certificates from the authority",
        )


def signature_of(envelope: bytes) -> bytes:
    """The bytes of the one signature of an envelope that is known to be well formed."""
    return base64.b64decode(loads(envelope)["signatures"][0]["sig"], validate=True)


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except EvidenceError:
        raise
    except Exception as error:  # two libraries read it, each with errors of its own
        raise BadTimestamp(f"not an RFC 3161 timestamp: {error}") from error


def _decoded(response: bytes) -> TimeStampResponse:
    if len(response) > SIZE_LIMIT:
        raise BadTimestamp(f"a timestamp of {len(response)} bytes; {SIZE_LIMIT} are allowed")
    return decode_timestamp_response(response)


def _stamp(found: TimeStampResponse) -> Stamp:
    at, accuracy = found.tst_info.gen_time, found.tst_info.accuracy
    # Most authorities tell whole seconds: the signature may be of a later part of that second.
    width = timedelta(seconds=0 if at.microsecond else 1)
    if accuracy is not None:
        width += timedelta(
            seconds=accuracy.seconds or 0,
            milliseconds=accuracy.millis or 0,
            microseconds=accuracy.micros or 0,
        )
    return Stamp(_text(at), _text(at + width))


def _text(at: datetime) -> str:
    return rfc3339(at.astimezone(timezone.utc))


def _stamps(certificate: Certificate) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(ExtendedKeyUsage)
    except ExtensionNotFound:
        return False
    return ExtendedKeyUsageOID.TIME_STAMPING in usage.value
