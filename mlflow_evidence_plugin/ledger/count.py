"""How many leaves a log has about one subject, under one head: so that the end cannot be cut off.

A leaf names the one before it, and nothing says that none comes after it. That is what a signed
note says: https://c2sp.org/signed-note, with a name of its own, so that it is never taken for a
head.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import BadLedger
from .checkpoint import Checkpoint, read_checkpoint

_TEXT = re.compile(
    r"(?P<origin>\S+)/subject\n(?P<head>[^\n]+\n[^\n]+\n)"
    r"(?P<subject>sha256:[0-9a-f]{64})\n(?P<leaves>0|[1-9]\d{0,17})\n"
)


def count_name(origin: str) -> str:
    """Under which name a log's counts are signed: the first line of their text."""
    return f"{origin}/subject"


@dataclass(frozen=True)
class Count:
    """The head, the digest of the subject, and the number of leaves about it."""

    head: Checkpoint
    subject: str
    leaves: int

    @property
    def text(self) -> str:
        """What is signed."""
        head = self.head.text.removeprefix(self.head.origin)
        return f"{count_name(self.head.origin)}{head}{self.subject}\n{self.leaves}\n"


def read_count(text: str) -> Count:
    """From the text of a note whose signature was verified. BadLedger for anything else."""
    found = _TEXT.fullmatch(text)
    if found is None:
        raise BadLedger("the signed note is not a count of a log of ours")
    head = read_checkpoint(f"{found['origin']}\n{found['head']}")
    return Count(head, found["subject"], int(found["leaves"]))
