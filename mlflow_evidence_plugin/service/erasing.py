"""Erase evidence: what was captured goes, and a signed tombstone says so for good."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from ..errors import BadInput, Conflict, Erased, NotFound
from ..policy.decision import rfc3339
from ..record import Record
from ..scan.detect import hits
from ..statements import TOMBSTONE
from ..statements.tombstone import REASON_MAX, tombstone_statement
from ..storage import Bundles, Erasure, Erasures, Principal
from ..storage.erasures import Tombstone
from .issuing import Issuing

TRIES = 5
"""How often it is begun again because another statement came meanwhile."""


@dataclass(frozen=True)
class Erasing:
    """Where it is taken away, and who signs that."""

    erasures: Erasures
    bundles: Bundles
    issuing: Issuing
    now: Callable[[], datetime]

    def erase(self, record: Record, reason: str, caller: Principal) -> Erasure:
        """Erase a record with all that was said of it. BadInput for a reason that is none.

        The tombstone names each statement that goes: where another one comes while it is signed,
        it is made again. Conflict where that does not end.
        """
        _check(reason)
        for _ in range(TRIES):
            at, erased = rfc3339(self.now()), self.erasures.bound(record.digest)
            made = tombstone_statement(record, reason, caller.name, at, erased)
            envelope = self.issuing.sign({TOMBSTONE: made})[TOMBSTONE]
            self.erasures.erase(record, Tombstone(envelope, reason, caller.name, at, erased))
            if found := self.erasures.of(record.digest):
                self.bundles.forget(record.digest)
                return found
        raise Conflict(f"statements on {record.digest} keep coming", "try again")

    def told(self, error: Erased, caller: Principal, absent: NotFound) -> NotFound:
        """What a caller may know of an erasure: all of it, or that there is nothing."""
        found = self.erasures.of(str(error.facts.get("record")))
        return error if found and caller.sees(found.model, found.experiment) else absent

    def of(self, digest: str, caller: Principal) -> Erasure:
        """An erasure, for who may see it; NotFound."""
        found = self.erasures.of(digest)
        if found is None or not caller.sees(found.model, found.experiment):
            raise NotFound(f"there is no evidence with the digest {digest}")
        return found


def _check(reason: str) -> None:
    if not reason.strip() or len(reason) > REASON_MAX or not reason.isprintable():
        mend = f"give one line of at most {REASON_MAX} characters"
        raise BadInput("evidence is not erased without a reason that can be shown", mend)
    if hits(reason, guess=False):
        mend = "say what was erased without saying it again: the reason stays for good"
        raise BadInput("the reason holds what looks like a credential", mend)
