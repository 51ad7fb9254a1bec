"""What the service signs, and the log in which it is entered."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..errors import KeyExpired
from ..ledger import Checkpoint, Count, count_name
from ..policy.decision import rfc3339
from ..signing import PublicKey, SigningKey, sign, sign_note
from ..signing.trust import trust_document
from ..statements import PAYLOAD_TYPE
from ..storage import Keys, KnownKey, Ledger, Placed

REMEMBERED_SECONDS = 60.0
"""For which a key's end is taken from memory: so long a retired key may still sign."""


@dataclass
class Issuing:
    """The service's key, what is known of it, and the log."""

    key: SigningKey
    keys: Keys
    ledger: Ledger
    now: Callable[[], datetime]
    _known: tuple[float, KnownKey | None] = field(default=(0.0, None), repr=False)

    def sign(self, statements: Mapping[str, bytes]) -> dict[str, bytes]:
        """Envelopes by predicate type. KeyExpired, or SigningFailed, and nothing is signed."""
        self._usable()
        return {kind: sign(one, PAYLOAD_TYPE, self.key) for kind, one in statements.items()}

    def trust(self) -> bytes:
        """The trust document: every key that this service has signed with, and when."""
        known = self._usable_or_not()
        found = {one.id: one for one in [*self.keys.all(), known]}
        keys = [
            PublicKey.of(one.pem.encode(), one.not_before, one.not_after) for one in found.values()
        ]
        return trust_document(keys, self.ledger.head(0).origin, self.ledger.counts_from())

    def checkpoint(self, size: int | None = None) -> tuple[Checkpoint, str]:
        """A head of the log, and the same signed. Of one size it is always the same note."""
        head = self.ledger.head(size)
        note = self.ledger.note(head.size)
        if note is None:
            self._usable()
            made = sign_note(head.text, head.origin, self.key)
            note = self.ledger.keep_note(head.size, made, rfc3339(self.now()))
        return head, note

    def chain(self, subject: str) -> dict[str, Any]:
        """All that was ever signed about a subject: its leaves, proven under a signed head."""
        head, note = self.checkpoint()
        leaves = [placed_document(one) for one in self.ledger.chain(subject, head.size)]
        count = self.count(Count(head, subject, len(leaves)))
        return {"checkpoint": note, "count": count, "leaves": leaves}

    def count(self, told: Count) -> str:
        """How many leaves there are about a subject, signed. Of one head always the same note."""
        head = told.head
        note = self.ledger.count_note(head.size, told.subject)
        if note is None:
            self._usable()
            made = sign_note(told.text, count_name(head.origin), self.key)
            note = self.ledger.keep_count(head.size, told.subject, made, rfc3339(self.now()))
        return note

    def place(self, statement: str) -> dict[str, Any]:
        """The leaf of one statement, proven under a signed head; NotFound."""
        head, note = self.checkpoint()
        return {"checkpoint": note, **placed_document(self.ledger.place(statement, head.size))}

    def growth(self, old: int, new: int | None) -> dict[str, Any]:
        """The proof that the log of `old` leaves is the beginning of a later one."""
        head, note = self.checkpoint(new)
        proof = [_text(one) for one in self.ledger.growth(old, head.size)]
        return {"old": old, "new": head.size, "checkpoint": note, "proof": proof}

    def _usable(self) -> None:
        known, now = self._usable_or_not(), rfc3339(self.now())
        if known.not_after is not None and now > known.not_after:
            raise KeyExpired(
                f"the signing key {self.key.id[:16]}… was retired at {known.not_after}",
                "start the service with the new key, or make one: mlflow-evidence key rotate",
            )

    def _usable_or_not(self) -> KnownKey:
        until, known = self._known
        if known is None or time.monotonic() > until:
            pem = self.key.public_pem.decode()
            known = self.keys.known(self.key.id, pem, rfc3339(self.now()))
            self._known = (time.monotonic() + REMEMBERED_SECONDS, known)
        return known


def placed_document(placed: Placed) -> dict[str, Any]:
    """A leaf, where it stands, and the proof, as JSON."""
    proof = [_text(one) for one in placed.proof]
    return {"index": placed.index, "leaf": vars(placed.leaf), "proof": proof}


def _text(digest: bytes) -> str:
    return base64.b64encode(digest).decode()
