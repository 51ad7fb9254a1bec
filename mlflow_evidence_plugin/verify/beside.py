"""What a verdict's rules were shown beside record and baselines, put together again.

Approvals and waivers are those that the chain has before the verdict: none can be left out. Which
attestations counted, which runs were earlier and where the way back led is the service's word.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..approval import Approval, Waiver
from ..errors import BadVerdict
from ..policy import PREVIOUS, PREVIOUS_GAP, Attested, Baseline, Case, Target
from ..policy.duties import since_erasure
from ..record import Record
from ..statements import Approved, Tombstone, Waived
from ..statements.approval import named
from .foreign import Foreign
from .stated import Stated

TOLD = ("attestations", "captured_at", "earlier", "targets")
"""What only the service says of the world at that time."""


def named_by(baselines: Mapping[str, Any], beside: Mapping[str, Any] | None) -> Iterator[str]:
    """The records that a verdict names, or for a baseline without one the reason."""
    yield from map(str, baselines.values())
    yield from map(str, (beside or {}).get("earlier") or ())


def rests_on(beside: Mapping[str, Any]) -> Iterator[str]:
    """The statements that a verdict rests on, beside those on its record."""
    yield from map(str, (*beside.get("approvals", ()), *beside.get("waivers", ())))
    yield from (str(one["statement"]) for one in beside.get("attestations", ()))


def case_again(
    record: Record,
    baselines: Mapping[str, Baseline],
    told: Mapping[str, Any],
    before: Sequence[Stated],
    records: Mapping[str, Record],
) -> Case:
    """The case, with the statements that the log has `before` the verdict. BadVerdict."""
    said = [(one.digest, one.said) for one in before]
    people = since_erasure(
        [
            named(one, digest) if isinstance(one, Approved | Waived) else None
            for digest, one in said
            if isinstance(one, Approved | Waived | Tombstone)
        ]
    )
    return Case(
        record,
        baselines,
        approvals=tuple(one for one in people if isinstance(one, Approval)),
        waivers=tuple(one for one in people if isinstance(one, Waiver)),
        attestations=tuple(
            _attested(one, record, dict(said)) for one in told.get("attestations", ())
        ),
        earlier=_earlier(told.get("earlier", ()), record, records),
        targets={key: _target(key, one, record) for key, one in told.get("targets", {}).items()},
        captured_at=told.get("captured_at"),
    )


def _attested(told: Mapping[str, str], of: Record, said: Mapping[str, Any]) -> Attested:
    found = said.get(told["statement"])
    if not isinstance(found, Foreign) or found.predicate_type != told["kind"]:
        raise BadVerdict("the verdict rests on an attestation that is not in the log before it")
    if of.root not in found.roots:
        raise BadVerdict("the verdict rests on an attestation of other files")
    return Attested(**told)


def _earlier(
    digests: Sequence[str] | None, of: Record, records: Mapping[str, Record]
) -> tuple[Record, ...] | None:
    """Runs of the same experiment that began before this one, each once; None for too many."""
    if digests is None:
        return None
    began = str(of.value("run", "started"))
    found: dict[str | None, Record] = {}
    for digest in digests:
        if digest not in records:
            said = f"an earlier run's record {digest} is not in the archive"
            raise BadVerdict(said, "get it anew")
        one = records[digest]
        same = (one.experiment, one.subject.store) == (of.experiment, of.subject.store)
        before = (one.value("run", "started") or began) < began
        if not same or not before or one.run_id in (None, of.run_id, *found):
            raise BadVerdict(f"{one.subject.name} is no earlier run of the same experiment")
        found[one.run_id] = one
    return tuple(found.values())


def _target(key: str, told: Mapping[str, Any], of: Record) -> Target:
    found = Target(**told)
    previous = of.value("lineage", "previous_version")
    if key == PREVIOUS and found.problem is None and found.version != previous:
        raise BadVerdict(f"the way back is to version {found.version}, not the previous one")
    if key == PREVIOUS and found.problem is None and previous is None:
        check_first(of)
    return found


def check_first(of: Record) -> None:
    """BadVerdict where the record does not know whether there is a version before it."""
    if of.unread(PREVIOUS_GAP) is not None:
        raise BadVerdict("the record does not know whether there is a previous version")
