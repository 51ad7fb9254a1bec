"""A metric over the runs of an experiment: which of them are worse than those before.

A run has regressed when its value is worse than the baseline by more than the tolerance. The
baseline is the median, or the best, of the `window` runs before it that have a value; runs that
regressed count as well, so that a change which lasts becomes the new normal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from .compare import CAUSES, HIGHER, Change, Document, differences
from .facts import is_time
from .model import Record
from .numbers import delta, finite, median, shown

BEST, MEDIAN = "best", "median"
FIRST, OK, REGRESSION, UNKNOWN = "first", "ok", "regression", "unknown"


@dataclass(frozen=True)
class Question:
    """What is asked. `tolerance` is a share of the baseline where `relative`, else absolute."""

    metric: str
    direction: str = HIGHER
    against: str = MEDIAN
    window: int = 5
    tolerance: Decimal = Decimal("0.05")
    relative: bool = True

    def document(self) -> dict[str, Any]:
        """The question as an answer repeats it."""
        percent = f"{shown(self.tolerance * 100)}%"
        told = {k: getattr(self, k) for k in ("metric", "direction", "against", "window")}
        return told | {"tolerance": percent if self.relative else shown(self.tolerance)}


@dataclass(frozen=True)
class Step:
    """One run: its facts, its value, and what causes are looked for in."""

    digest: str
    subject: str
    run: dict[str, Any]
    told: str | None
    document: Document


def step(record: Record, metric: str) -> Step:
    """Of a record no more than a history needs: hundreds of them are held at once."""
    found = record.value("metrics", metric)
    kept = {name: record.document[name] for name in CAUSES}
    told = found["value"] if found else None
    return Step(record.digest, record.subject.name, record.values("run"), told, kept)


def history(steps: Sequence[Step], question: Question) -> list[dict[str, Any]]:
    """Each run in the order of their starts, judged; one without a start comes last."""
    ordered = sorted(steps, key=_order)
    return list(_judged(ordered, question))


def _order(one: Step) -> tuple[bool, str, str]:
    started = one.run.get("started", "")
    return not is_time(started), started, str(one.run.get("run_id"))


def _judged(steps: Sequence[Step], question: Question) -> Iterator[dict[str, Any]]:
    known: list[Decimal] = []
    valued: list[Step] = []
    for one in steps:
        value = finite(one.told)
        baseline = _baseline(known[-question.window :], question)
        state = _state(value, baseline, question)
        difference, relative = delta(baseline, value)
        item = {**_head(one), "value": one.told, "baseline": shown(baseline), "state": state}
        item |= {"delta": shown(difference), "relative": shown(relative)}
        # One without a value tells nothing of what its changes did.
        item["before"] = valued[-1].digest if valued else None
        if value is not None:
            known.append(value)
            valued.append(one)
        item["changes"] = _changes(valued, question.window) if state == REGRESSION else []
        yield item


def _head(one: Step) -> dict[str, Any]:
    run = {name: one.run.get(name) for name in ("run_id", "name", "started", "status")}
    return {**run, "subject": one.subject, "digest": one.digest}


def _baseline(before: list[Decimal], question: Question) -> Decimal | None:
    if not before:
        return None
    if question.against == MEDIAN:
        return median(before)
    return max(before) if question.direction == HIGHER else min(before)


def _state(value: Decimal | None, baseline: Decimal | None, question: Question) -> str:
    if value is None:
        return UNKNOWN
    if baseline is None:
        return FIRST
    ahead, behind = (baseline, value) if question.direction == HIGHER else (value, baseline)
    allowed = question.tolerance * abs(baseline) if question.relative else question.tolerance
    return REGRESSION if (delta(behind, ahead)[0] or 0) > allowed else OK


def _changes(steps: Sequence[Step], window: int) -> list[Change]:
    """What differs between the last run and the one before; what seldom changes first.

    `changed_before` counts in how many of the `steps_before` it differed as well.
    """
    last = len(steps) - 1
    found = _between(steps, last)
    earlier = [_between(steps, n) for n in range(max(1, last - window), last)]
    names = [{(one["section"], one["name"]) for one in changes} for changes in earlier]
    for one in found:
        times = sum((one["section"], one["name"]) in changed for changed in names)
        one |= {"changed_before": times, "steps_before": len(names)}
    return sorted(found, key=lambda one: int(one["changed_before"]))


def _between(steps: Sequence[Step], place: int) -> list[Change]:
    return differences(steps[place - 1].document, steps[place].document, CAUSES)


__all__ = ["BEST", "MEDIAN", "REGRESSION", "UNKNOWN", "Question", "Step", "history", "step"]
