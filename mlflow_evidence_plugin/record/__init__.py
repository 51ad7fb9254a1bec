"""Snapshot to record: pure sections, canonical bytes, digest, schema."""

from .canonical import canonical, digest_of
from .model import Record, Subject, read, read_kept, record_of, subject_of

__all__ = [
    "Record",
    "Subject",
    "canonical",
    "digest_of",
    "read",
    "read_kept",
    "record_of",
    "subject_of",
]
