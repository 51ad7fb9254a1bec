"""Statements of others in an archive: of kinds that are not ours, by keys we may not have."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..errors import BadEnvelope, BadRecord, BadSignature
from ..record import Record
from ..record.canonical import loads
from ..signing import Verified
from ..statements import READERS


@dataclass(frozen=True)
class Foreign:
    """What kind of statement it is, and the SHA-256 of each of its subjects.

    `trusted` is False where the verifier was not given its signer's key: then nothing in it
    counts, and the log alone says that it came in.
    """

    predicate_type: str
    roots: tuple[str, ...]
    trusted: bool


def read_foreign(verified: Verified) -> Foreign | None:
    """A statement of another kind than ours; None for one of ours. BadEnvelope."""
    found = _read(verified.payload, True)
    return None if found.predicate_type in READERS else found


def untrusted(envelope: bytes) -> Foreign | None:
    """The same for one whose key the verifier does not have. None for one that should be ours."""
    try:
        found = _read(base64.b64decode(loads(envelope)["payload"]), False)
    except (BadRecord, BadEnvelope, KeyError, TypeError, ValueError):
        return None
    return None if found.predicate_type in READERS else found


def about(said: Foreign, records: Iterable[Record]) -> Record:
    """The record whose files are among the statement's subjects; BadSignature if none is."""
    found = next((one for one in records if one.root in said.roots), None)
    if found is None:
        raise BadSignature("the statement is about other files than those of the subject")
    return found


def _read(payload: bytes, trusted: bool) -> Foreign:
    try:
        found: Any = loads(payload)
        roots = tuple(str(one["digest"].get("sha256", "")) for one in found["subject"])
        return Foreign(str(found["predicateType"]), roots, trusted)
    except BadRecord as error:
        raise BadEnvelope(f"the statement is {error.detail}") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise BadEnvelope(f"not an in-toto statement: {error!r}") from error
