"""The release statement: an in-toto statement (v1) that binds a subject to its record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..record import Record
from ..record.schema import RECORD_V1
from .form import (
    PAYLOAD_TYPE,
    PREDICATE_LIMIT,
    RECORD_MEDIA_TYPE,
    STATEMENT,
    digest,
    fitting,
    opened,
    reading,
    statement,
)

RELEASE_EVIDENCE = "https://mlflow-evidence.dev/ml-release-evidence/v1"
_ROOM = PREDICATE_LIMIT - 10_000


@dataclass(frozen=True)
class Release:
    """What a release statement says: the digests of the record and of what matters in it."""

    subject: str
    root: str
    record: str
    release: str


def release_statement(record: Record) -> bytes:
    """Canonical bytes of the statement about a record. The record itself travels beside it.

    The summary holds no metrics where they need more than 90 kB; `omitted` then says how many.
    """
    document = record.document
    metrics = {name: one["value"]["value"] for name, one in record.facts("metrics").items()}
    kept, omitted = fitting({"metrics": metrics}, _ROOM)
    summary = {
        "subject": document["subject"],
        "run_id": record.run_id,
        "status": record.value("run", "status"),
        "secrets_masked": len(record.value("findings", "secrets")),
        "gaps": len(document["gaps"]),
        **kept,
    } | ({"omitted": omitted} if omitted else {})
    predicate = {
        "record": {
            "digest": record.digest,
            "mediaType": RECORD_MEDIA_TYPE,
            "schema": RECORD_V1,
            "size": len(record.data),
        },
        "release": record.release,
        "summary": summary,
    }
    return statement(record, RELEASE_EVIDENCE, predicate)


def read_release(found: Any) -> Release:
    """What a parsed statement says; BadEnvelope for a statement of any other form."""
    one = opened(found, RELEASE_EVIDENCE)
    with reading("release evidence"):
        return Release(
            one.subject,
            one.root,
            digest(one.predicate["record"]["digest"]),
            digest(one.predicate["release"]),
        )


__all__ = [
    "PAYLOAD_TYPE",
    "RECORD_MEDIA_TYPE",
    "RELEASE_EVIDENCE",
    "STATEMENT",
    "Release",
    "read_release",
    "release_statement",
]
