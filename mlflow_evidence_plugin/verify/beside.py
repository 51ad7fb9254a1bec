"""What a verdict's rules were shown beside record and baselines, put together again.

Approvals and waivers are those that the chain has before the verdict: none can be left out. Which
attestations counted, which runs were earlier and where the way back led is the service's word.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..errors import BadVerdict
from ..policy import Attested, Baseline, Case, Target
from ..record import Record
from ..statements import Approved, Waived
from .foreign import Foreign
from .stated import Stated

TOLD = ("attestations", "captured_at", "earlier", "targets")
"""What only the service says of the world at that time."""


def named_by(baselines: Mapping[str, Any], beside: Mapping[str, Any] | None) -> Iterator[str]:
    """The records that a verdict names, or for a baseline without one the reason."""
    yield from map(str, baselines.values())
    yield from map(str, (beside or {}).get("earlier", ()))


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
    return Case(
        record,
        baselines,
        approvals=tuple(
            replace(one.fact, statement=digest) for digest, one in said if isinstance(one, Approved)
        ),
        waivers=tuple(
            replace(one.fact, statement=digest) for digest, one in said if isinstance(one, Waived)
        ),
        attestations=tuple(_attested(one, dict(said)) for one in told.get("attestations", ())),
        earlier=tuple(_earlier(one, record, records) for one in told.get("earlier", ())),
        targets={key: Target(**one) for key, one in told.get("targets", {}).items()},
        captured_at=told.get("captured_at"),
    )


def _attested(told: Mapping[str, str], said: Mapping[str, Any]) -> Attested:
    found = said.get(told["statement"])
    if not isinstance(found, Foreign) or found.predicate_type != told["kind"]:
        raise BadVerdict("the verdict rests on an attestation that is not in the log before it")
    return Attested(**told)


def _earlier(digest: str, of: Record, records: Mapping[str, Record]) -> Record:
    if digest not in records:
        raise BadVerdict(f"an earlier run's record {digest} is not in the archive", "get it anew")
    found = records[digest]
    same = (found.experiment, found.subject.store) == (of.experiment, of.subject.store)
    if not same or found.run_id in (None, of.run_id):
        raise BadVerdict(f"{found.subject.name} is no earlier run of the same experiment")
    return found
