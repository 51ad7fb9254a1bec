"""The release statement: an in-toto statement (v1) that binds a subject to its record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import BadEnvelope
from ..record import Record, canonical
from ..record.schema import RECORD_V1

STATEMENT = "https://in-toto.io/Statement/v1"
RELEASE_EVIDENCE = "https://mlflow-evidence.dev/ml-release-evidence/v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
RECORD_MEDIA_TYPE = "application/vnd.mlflow-evidence.record.v1+json"


@dataclass(frozen=True)
class Release:
    """What a release statement says: the digests of the record and of what matters in it."""

    subject: str
    root: str
    record: str
    release: str


def release_statement(record: Record) -> bytes:
    """Canonical bytes of the statement about a record. The record itself travels beside it."""
    document = record.document
    summary = {
        "subject": document["subject"],
        "run_id": record.run_id,
        "status": record.value("run", "status"),
        "metrics": {name: one["value"]["value"] for name, one in record.facts("metrics").items()},
        "secrets_masked": len(record.value("findings", "secrets")),
        "gaps": len(document["gaps"]),
    }
    statement: dict[str, Any] = {
        "_type": STATEMENT,
        "subject": [{"name": record.subject.name, "digest": {"sha256": record.root}}],
        "predicateType": RELEASE_EVIDENCE,
        "predicate": {
            "record": {
                "digest": record.digest,
                "mediaType": RECORD_MEDIA_TYPE,
                "schema": RECORD_V1,
                "size": len(record.data),
            },
            "release": record.release,
            "summary": summary,
        },
    }
    return canonical(statement)


def read_release(statement: Any) -> Release:
    """What a parsed statement says; BadEnvelope for a statement of any other form."""
    try:
        if statement["_type"] != STATEMENT or statement["predicateType"] != RELEASE_EVIDENCE:
            raise BadEnvelope("the statement is not release evidence of ours")
        (subject,) = statement["subject"]
        predicate = statement["predicate"]
        found = Release(
            subject["name"],
            subject["digest"]["sha256"],
            predicate["record"]["digest"],
            predicate["release"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadEnvelope(f"not a release statement: {error!r}") from error
    if not all(isinstance(value, str) for value in vars(found).values()):
        raise BadEnvelope("not a release statement: a digest or name is not text")
    return found
