"""Take in what others have signed about a subject that we know: a scan, a build, a test."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..errors import BadEnvelope, BadInput, BadRecord, NotFound
from ..ledger import subject_digest
from ..policy.decision import rfc3339
from ..record import digest_of
from ..record.canonical import loads
from ..signing import Signer, compact, open_bundle, signed_by
from ..signing.sigstore import BUNDLE
from ..statements import READERS
from ..storage import Attestation, Attestations, Bundles, Principal
from ..storage.attestations import QUARANTINED, TRUSTED

STATEMENTS = ("https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1")
_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Ingesting:
    """Where attestations are kept, and whose count."""

    attestations: Attestations
    bundles: Bundles
    signers: Sequence[Signer]
    now: Callable[[], datetime]

    def take(self, data: bytes, caller: Principal) -> tuple[Attestation, bool]:
        """Keep a DSSE envelope or a sigstore bundle; the second is whether it is new.

        The signature is checked before anything in it is believed. Without a trusted signer, or
        one who may state this, it is kept in quarantine. BadEnvelope; NotFound for a subject of
        which there is no evidence, or none that is the caller's.
        """
        envelope = _envelope(data)
        signer, payload = signed_by(envelope, self.signers)
        kind, subjects = _read(payload)
        if kind in READERS:
            raise BadInput(
                f"{kind} about evidence of ours is for this service alone to state",
                "send what another program found, under its own predicate type",
            )
        record_digest = self._about(subjects, caller)
        counts = signer is not None and signer.may_state(kind)
        made = Attestation(
            digest_of(envelope),
            record_digest,
            kind,
            envelope,
            TRUSTED if counts else QUARANTINED,
            signer.name if signer and counts else None,
            signer.key.id if signer else None,
            rfc3339(self.now()),
            caller.name,
        )
        record = self.bundles.get(record_digest).record()
        return self.attestations.add(made, subject_digest(record.subject))

    def _about(self, subjects: Sequence[tuple[str, str]], caller: Principal) -> str:
        """The newest record of the one subject that is meant."""
        found: dict[str, Any] = {}
        named: dict[str, Any] = {}
        for name, root in subjects:
            for listing in self.attestations.subjects_with(root):
                if caller.sees(listing.model, listing.experiment):
                    found.setdefault(listing.subject, listing)
                    if listing.subject == name:
                        named.setdefault(listing.subject, listing)
        found = named or found
        if not found:
            raise NotFound(
                "there is no evidence whose files have the statement's subject as their root",
                "capture it first; the subject is the root that its release statement names",
            )
        if len(found) > 1:
            known = ", ".join(sorted(found)[:5])
            raise BadInput(f"the subject's files are those of {known}", "name one as the subject")
        return str(next(iter(found.values())).record_digest)


def _envelope(data: bytes) -> bytes:
    try:
        document = loads(data)
    except BadRecord as error:
        raise BadEnvelope(f"the attestation is {error.detail}") from error
    if isinstance(document, dict) and document.get("mediaType") == BUNDLE:
        return compact(open_bundle(data)[0])
    return compact(data)


def _read(payload: bytes) -> tuple[str, list[tuple[str, str]]]:
    """The predicate type, and the subjects that have a SHA-256: name and hex."""
    try:
        found = loads(payload)
        if found["_type"] not in STATEMENTS or not isinstance(found["predicateType"], str):
            raise BadEnvelope("the payload is no in-toto statement that is known here")
        subjects = [
            (str(one.get("name", "")), str(one["digest"].get("sha256", "")))
            for one in found["subject"]
        ]
    except BadRecord as error:
        raise BadEnvelope(f"the statement is {error.detail}") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise BadEnvelope(f"the payload is no in-toto statement: {error!r}") from error
    return found["predicateType"], [one for one in subjects if _HEX.fullmatch(one[1])]
