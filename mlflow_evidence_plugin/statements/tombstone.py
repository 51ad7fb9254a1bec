"""That evidence was erased, as a statement: which, why, by whom, and what went with it.

Ours: the log keeps the leaves of what is gone, and this says that it is gone on purpose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import BadEnvelope
from ..record import Record
from ..record.facts import is_time
from .form import digest, only, opened, reading, statement, text

TOMBSTONE = "https://mlflow-evidence.dev/tombstone/v1"
REASON_MAX = 1000


@dataclass(frozen=True)
class Tombstone:
    """What a tombstone says. `erased` are the digests of the statements that are gone.

    The root is that of the erased record, which nobody can compare it with any more.
    """

    subject: str
    root: str
    record: str
    reason: str
    by: str
    at: str
    erased: tuple[str, ...]


def tombstone_statement(record: Record, reason: str, by: str, at: str, erased: list[str]) -> bytes:
    """Canonical bytes. It is as long as what was erased: one digest for each statement."""
    told = {"record": record.digest, "reason": reason, "by": by, "at": at}
    return statement(record, TOMBSTONE, told | {"erased": sorted(erased)})


def read_tombstone(found: Any) -> Tombstone:
    """What a parsed statement says; BadEnvelope for any other form."""
    one = opened(found, TOMBSTONE)
    with reading("tombstone"):
        said = only(one.predicate, "record", "reason", "by", "at", "erased")
        erased = tuple(digest(each) for each in said["erased"])
        if list(erased) != sorted(set(erased)) or not is_time(said["at"]):
            raise BadEnvelope("the tombstone's list or time is not as we write it")
        reason = text(said["reason"])
        if not reason.isprintable() or not 0 < len(reason) <= REASON_MAX:
            raise BadEnvelope("the tombstone's reason is not one line of text")
        by = text(said["by"])
        return Tombstone(
            one.subject, one.root, digest(said["record"]), reason, by, said["at"], erased
        )
