"""The head of a log as text: a C2SP checkpoint, which is signed as a note.

https://c2sp.org/tlog-checkpoint
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from ..errors import BadLedger

_TEXT = re.compile(r"(?P<origin>\S+)\n(?P<size>0|[1-9]\d{0,17})\n(?P<root>[A-Za-z0-9+/]{43}=)\n")


@dataclass(frozen=True)
class Checkpoint:
    """Which log, how many leaves, and the root over them."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """What is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def read_checkpoint(text: str) -> Checkpoint:
    """From the text of a note whose signature was verified. BadLedger for anything else.

    Extension lines, which others may add, are refused: no log of ours has any.
    """
    found = _TEXT.fullmatch(text)
    if found is None:
        raise BadLedger("the signed note is not a checkpoint of a log of ours")
    return Checkpoint(found["origin"], int(found["size"]), base64.b64decode(found["root"]))
