"""Record and decision to in-toto statements: pure, other people's formats.

Every statement has one subject and canonical bytes; each kind has a reader that refuses any other
form. docs/evidence.md has a row for each line of `READERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import BadEnvelope
from ..record import Record
from .approval import APPROVAL, WAIVER, Approved, Waived, read_approval, read_waiver
from .bom import BOM, Bom, bom_statement, read_bom
from .decision import TEST_RESULT, VSA, Summary, Tested, read_summary, read_test_result
from .form import PAYLOAD_TYPE
from .integrity import MODEL_SIGNATURE, Integrity, integrity_statement, read_integrity
from .provenance import PROVENANCE, Provenance, provenance_statement, read_provenance
from .release import RELEASE_EVIDENCE, Release, read_release, release_statement
from .tombstone import TOMBSTONE, Tombstone, read_tombstone

Statement = (
    Release | Integrity | Provenance | Bom | Tested | Summary | Approved | Waived | Tombstone
)

CAPTURED: Mapping[str, Callable[[Record], bytes | None]] = {
    RELEASE_EVIDENCE: release_statement,
    MODEL_SIGNATURE: integrity_statement,
    PROVENANCE: provenance_statement,
    BOM: bom_statement,
}
"""What a capture states about a record, by predicate type; None where it does not apply."""

READERS: Mapping[str, Callable[[Any], Statement]] = {
    RELEASE_EVIDENCE: read_release,
    MODEL_SIGNATURE: read_integrity,
    PROVENANCE: read_provenance,
    BOM: read_bom,
    TEST_RESULT: read_test_result,
    VSA: read_summary,
    APPROVAL: read_approval,
    WAIVER: read_waiver,
    TOMBSTONE: read_tombstone,
}


NAMES: Mapping[str, str] = {
    RELEASE_EVIDENCE: "release",
    MODEL_SIGNATURE: "model-signature",
    PROVENANCE: "provenance",
    BOM: "mlbom",
    TEST_RESULT: "test-result",
    VSA: "verdict",
    APPROVAL: "approval",
    WAIVER: "waiver",
    TOMBSTONE: "tombstone",
}
"""What each kind is called in names of files."""


def captured(record: Record) -> dict[str, bytes]:
    """The statements that a capture makes, by predicate type."""
    made = {kind: state(record) for kind, state in CAPTURED.items()}
    return {kind: told for kind, told in made.items() if told is not None}


def read_statement(found: Any) -> Statement:
    """What a parsed, verified statement says; BadEnvelope for a kind that we do not know."""
    kind = found.get("predicateType") if isinstance(found, dict) else None
    reader = READERS.get(kind) if isinstance(kind, str) else None
    if reader is None:
        raise BadEnvelope(f"not a statement of a kind that we know: {ascii(kind)[:80]}")
    return reader(found)


__all__ = [
    "APPROVAL",
    "BOM",
    "CAPTURED",
    "MODEL_SIGNATURE",
    "NAMES",
    "PAYLOAD_TYPE",
    "PROVENANCE",
    "READERS",
    "RELEASE_EVIDENCE",
    "TEST_RESULT",
    "TOMBSTONE",
    "VSA",
    "WAIVER",
    "Approved",
    "Release",
    "Statement",
    "Tombstone",
    "Waived",
    "captured",
    "read_statement",
    "release_statement",
]
