"""What may be missing: what a verified tombstone says was erased, and nothing else."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from ..errors import BadLedger
from ..ledger import Checkpoint, Leaf
from ..record import canonical, digest_of
from ..signing import Keyring, open_envelope
from ..statements import Tombstone
from ..statements.decision import Summary, Tested
from .beside import named_by, rests_on
from .bundle import decode
from .chain import entries, proven
from .stated import Stated


@dataclass(frozen=True)
class Gone:
    """Digests of statements, and of records, that were erased and are not here."""

    statements: frozenset[str] = frozenset()
    records: frozenset[str] = frozenset()

    def needed(self, said: Summary | Tested) -> list[str]:
        """What of this a verdict, or a test result, was made from: it cannot be made again."""
        if isinstance(said, Tested):
            beside, baselines = said.beside or {}, dict(said.baselines)
            inputs: list[str] = []
        else:
            beside, baselines = said.decision.get("beside", {}), said.decision["baselines"]
            inputs = [digest for _, digest in said.inputs]
        lost = self.statements & {*inputs, *rests_on(beside)}
        return sorted(lost | (self.records & set(named_by(baselines, beside))))


def excused(leaves: Sequence[Leaf], stated: Sequence[Stated]) -> set[str]:
    """Statements that a tombstone which comes later in the chain names, and that are not here."""
    said = {one.digest: one.said for one in stated}
    named: set[str] = set()
    found: set[str] = set()
    for leaf in reversed(leaves):
        here = said.get(leaf.statement)
        if here is None and leaf.statement in named:
            found.add(leaf.statement)
        if isinstance(here, Tombstone):
            named |= set(here.erased)
    return found


def elsewhere(data: bytes, head: Checkpoint, trusted: Keyring) -> Iterator[Tombstone]:
    """Tombstones about other subjects, each signed, and in the log under the head.

    BadSignature, BadEnvelope or BadLedger.
    """
    for one in entries(data):
        if not isinstance(one, dict) or "envelope" not in one:
            raise BadLedger("a tombstone is not of the right form")
        envelope = canonical(one["envelope"])
        said = decode(open_envelope(envelope, trusted))
        leaf = proven({name: value for name, value in one.items() if name != "envelope"}, head)
        if not isinstance(said, Tombstone) or leaf.statement != digest_of(envelope):
            raise BadLedger("what is said to be a tombstone is none, or another leaf's")
        yield said


def absent(
    tombstones: Collection[Tombstone], statements: Collection[str], here: Collection[str]
) -> Gone:
    """What tombstones say was erased, but for the records that are `here` nevertheless."""
    records = {one.record for one in tombstones} - set(here)
    return Gone(frozenset(statements), frozenset(records))
