"""What the log says of an archive's statements: none missing, none more, and what was erased."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from ..errors import BadLedger
from ..ledger import Checkpoint, Count, Leaf
from ..signing import Keyring
from ..statements import Tombstone
from .chain import check_count, read_chain
from .erased import Gone, absent, elsewhere, excused
from .members import CHAIN, COUNT, MATERIALS, TOMBSTONES
from .opening import Opened
from .report import Checklist
from .stated import Stated


@dataclass(frozen=True)
class Log:
    """The log under a head that was verified, and the digest of a subject in it."""

    opened: Opened
    trusted: Keyring
    head: Checkpoint
    subject: str

    def check(self, stated: Sequence[Stated], checks: Checklist) -> Gone:
        """Check the chain of the subject, its end and its gaps: what was erased."""
        chain = partial(self._chain, stated)
        leaves = checks.take("ledger chain", chain, partial(_whole, len(stated)))
        if leaves is None:
            return Gone()
        if COUNT in self.opened.sizes or self.trusted.counts(self.head.origin, self.head.size):
            counted = partial(self._counted, Count(self.head, self.subject, len(leaves)))
            checks.take("ledger count", counted, lambda n: f"{n} about the subject, and no more")
        others: Sequence[Tombstone] = ()
        if TOMBSTONES in self.opened.sizes:
            told = checks.take("tombstones", self._tombstones, lambda f: f"{len(f)} of others")
            others = told or ()
        ours = [one.said for one in stated if isinstance(one.said, Tombstone)]
        here = {"sha256:" + name.removeprefix(MATERIALS) for name in self.opened.sizes}
        return absent([*ours, *others], excused(leaves, stated), here)

    def _chain(self, stated: Sequence[Stated]) -> tuple[Leaf, ...]:
        leaves = read_chain(self.opened.read(CHAIN), self.head, self.subject)
        there, gone = [one.digest for one in stated], excused(leaves, stated)
        logged = [leaf.statement for leaf in leaves]
        if missing := set(logged) - set(there) - gone:
            raise BadLedger(
                f"{len(missing)} of the {len(logged)} statements that were signed about the "
                "subject are not here, or do not verify",
                "get the archive anew; if it stays so, something was removed",
            )
        if there != [one for one in logged if one not in gone]:
            raise BadLedger("statements are here that the log does not have, or in another order")
        return leaves

    def _counted(self, told: Count) -> int:
        if COUNT not in self.opened.sizes:
            raise BadLedger(
                f"the archive has no {COUNT}, and the trust document says that the log counts",
                "get the archive anew: its end may have been cut off",
            )
        check_count(note_text(self.opened.read(COUNT)), self.trusted, told)
        return told.leaves

    def _tombstones(self) -> Sequence[Tombstone]:
        return list(elsewhere(self.opened.read(TOMBSTONES), self.head, self.trusted))


def note_text(note: bytes) -> str:
    """The text of a note; BadLedger for what is none."""
    try:
        return note.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadLedger("a note of the log is not UTF-8") from error


def _whole(there: int, leaves: Sequence[Leaf]) -> str:
    erased = len(leaves) - there
    missing = f"{erased} erased, no other missing" if erased else "none missing"
    return f"the first {len(leaves)} about the subject, {missing}"
