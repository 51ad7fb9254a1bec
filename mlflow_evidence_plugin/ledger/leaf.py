"""A leaf of the log: one statement, and its place among the statements about its subject."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ..errors import BadLedger, BadRecord
from ..record import Subject, canonical
from ..record.canonical import digest_of, loads
from .merkle import leaf_hash

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_NAMES = {"previous", "sequence", "statement", "subject"}


def subject_digest(subject: Subject) -> str:
    """What stands for a subject in the log: nobody learns a model's name from it."""
    return digest_of(canonical(subject.document()))


@dataclass(frozen=True)
class Leaf:
    """Digests only: erasing a statement leaves its leaf.

    `sequence` counts the statements about one subject from 0; `previous` is the digest of the leaf
    before this one about the same subject, None for the first. So nothing can be taken out of the
    middle, or be left out at the start, without it being missed.
    """

    subject: str
    sequence: int
    previous: str | None
    statement: str

    @property
    def data(self) -> bytes:
        """The canonical bytes that are hashed."""
        return canonical(vars(self))

    @property
    def hash(self) -> bytes:
        """The hash under which it stands in the tree."""
        return leaf_hash(self.data)

    @property
    def digest(self) -> str:
        """What the next leaf about the subject names."""
        return "sha256:" + self.hash.hex()


def read_leaf(data: bytes) -> Leaf:
    """A leaf from its bytes; BadLedger for anything else."""
    try:
        return leaf_of(loads(data))
    except BadRecord as error:
        raise BadLedger(f"not a leaf: {error.detail}") from error


def leaf_of(said: Any) -> Leaf:
    """A leaf from its parsed document; BadLedger for anything else."""
    if not isinstance(said, dict) or set(said) != _NAMES:
        raise BadLedger("not a leaf: it has other members than a leaf has")
    sequence, previous = said["sequence"], said["previous"]
    digests = [said["subject"], said["statement"], *([] if previous is None else [previous])]
    if not all(isinstance(one, str) and _DIGEST.fullmatch(one) for one in digests):
        raise BadLedger("not a leaf: it holds what is no digest")
    if isinstance(sequence, bool) or not isinstance(sequence, int) or not 0 <= sequence < 2**53:
        raise BadLedger("not a leaf: its sequence is no number")
    if (sequence == 0) != (previous is None):
        raise BadLedger("not a leaf: only the first about a subject has none before it")
    return Leaf(said["subject"], sequence, previous, said["statement"])
