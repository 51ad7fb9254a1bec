"""One statement of an archive: verified first, then read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..errors import BadArchive, BadSignature, BadVerdict, KeyOutOfTime
from ..record import digest_of
from ..record.facts import is_time
from ..signing import Keyring, PublicKey, bundle_of, open_bundle, open_envelope
from ..statements import (
    APPROVAL,
    BOM,
    MODEL_SIGNATURE,
    NAMES,
    PROVENANCE,
    RELEASE_EVIDENCE,
    TEST_RESULT,
    TOMBSTONE,
    VSA,
    WAIVER,
    Approved,
    Release,
    Statement,
    Tombstone,
    Waived,
)
from ..statements.bom import Bom
from ..statements.decision import Summary, Tested
from ..statements.integrity import Integrity
from ..statements.provenance import Provenance
from .bundle import decode
from .foreign import Foreign, read_foreign, untrusted

STATEMENTS = "attestations/"

_KINDS: Mapping[type[Statement], str] = {
    Release: RELEASE_EVIDENCE,
    Integrity: MODEL_SIGNATURE,
    Provenance: PROVENANCE,
    Bom: BOM,
    Tested: TEST_RESULT,
    Summary: VSA,
    Approved: APPROVAL,
    Waived: WAIVER,
    Tombstone: TOMBSTONE,
}
_DECISION = {
    *("allowed", "status", "result", "state", "store", "subject", "environment", "record"),
    *("release", "policy", "evaluated_at", "expires_at", "baselines", "digest"),
}
_BESIDE = {"waived", "beside"}
"""Members of a verdict whose rules looked at more than record and baselines: both, or none."""


@dataclass(frozen=True)
class Stated:
    """A statement that was verified: its envelope's digest, whose key, and what it says.

    One of others may be by a key that the verifier does not have: it has no `key`.
    """

    name: str
    digest: str
    envelope: bytes = field(repr=False)
    bundle: str
    key: PublicKey | None
    said: Statement | Foreign

    @property
    def signer(self) -> str:
        """A line of the report."""
        return f"by key {self.key.id[:16]}…" if self.key else "by a key that was not given"

    @property
    def kind(self) -> str:
        """Its predicate type."""
        said = self.said
        return said.predicate_type if isinstance(said, Foreign) else _KINDS[type(said)]

    def named(self, place: int) -> str:
        """What it is called in an archive, as the statement at this place of the log."""
        return f"{STATEMENTS}{place:06d}-{NAMES.get(self.kind, 'attestation')}.sigstore.json"


def read_stated(name: str, data: bytes, trusted: Keyring) -> Stated:
    """Verify, then read. BadEnvelope, BadSignature, BadArchive, BadVerdict or KeyOutOfTime."""
    envelope, hint, stamps = open_bundle(data)
    if bundle_of(envelope, hint, stamps) != data:
        raise BadArchive(f"{name} has more in it than we write, or in another form")
    found = (name, digest_of(envelope), envelope, digest_of(data))
    try:
        verified = open_envelope(envelope, trusted)
    except BadSignature:
        if foreign := untrusted(envelope):
            return Stated(*found, None, foreign)
        raise
    if hint != verified.key.id:
        raise BadArchive(f"{name} names another key than the one that signed it")
    said = read_foreign(verified) or decode(verified)
    if isinstance(said, Summary):
        _check_decision(said, verified.key)
    return Stated(*found, verified.key, said)


def _check_decision(said: Summary, key: PublicKey) -> None:
    known = set(said.decision) - {"reasons", "warnings", "omitted"}
    at, until = said.decision.get("evaluated_at"), said.decision.get("expires_at")
    tables = [said.decision.get("baselines"), said.decision.get("omitted", {})]
    tables.append(said.decision.get("beside", {}))
    more = _BESIDE if _BESIDE & known else set()
    if known != _DECISION | more or not all(isinstance(one, dict) for one in tables):
        raise BadVerdict("the verdict has other members than a verdict has")
    if not is_time(at) or not is_time(until):
        raise BadVerdict("the verdict does not say when it was made, and until when it holds")
    if key.outside(str(at)):
        raise KeyOutOfTime(f"the key was not in use at {at}, when the verdict was signed")
