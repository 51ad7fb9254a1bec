"""Fair measuring: contenders take turns, the order changes each round, medians are compared."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Goal:
    """A fixed promise, in words and as a test over (ours, peer)."""

    text: str
    met: Callable[[float, float], bool]


def at_most(ratio: float) -> Goal:
    """Ours / peer is no more than `ratio`."""
    return Goal(f"≤ {ratio:g}", lambda ours, peer: ours <= ratio * peer)


def at_least(ratio: float) -> Goal:
    """Ours / peer is no less than `ratio`."""
    return Goal(f"≥ {ratio:g}", lambda ours, peer: ours >= ratio * peer)


def at_most_more(difference: float, unit: str) -> Goal:
    """Ours - peer is no more than `difference`."""
    return Goal(f"≤ +{difference:g} {unit}", lambda ours, peer: ours - peer <= difference)


@dataclass(frozen=True)
class Row:
    """One line of the report. Without a goal it is only reported."""

    name: str
    ours: float
    peer: float
    unit: str
    goal: Goal | None = None

    @classmethod
    def of(
        cls,
        name: str,
        ours: Sequence[float],
        peer: Sequence[float],
        unit: str,
        goal: Goal | None = None,
    ) -> Row:
        """A row of two medians."""
        return cls(name, median(ours), median(peer), unit, goal)

    def document(self) -> dict[str, Any]:
        """As it stands in report.json; the verdict is on the unrounded figures."""
        return {
            "name": self.name,
            "ours": round(self.ours, 3),
            "peer": round(self.peer, 3),
            "unit": self.unit,
            "ratio": round(self.ours / self.peer, 3) if self.peer else None,
            "goal": self.goal.text if self.goal else None,
            "met": self.goal.met(self.ours, self.peer) if self.goal else None,
        }


def interleaved(
    contenders: Mapping[str, Callable[[], list[T]]], rounds: int, warmup: int = 1
) -> dict[str, list[T]]:
    """What each contender measured in `rounds` turns, after `warmup` turns thrown away.

    Whoever goes first in one round goes last in the next, so that what one leaves behind (a warm
    disk, a hot processor) favours nobody.
    """
    names = list(contenders)
    measured: dict[str, list[T]] = {name: [] for name in names}
    for number in range(-warmup, rounds):
        for name in names:
            turn = contenders[name]()
            if number >= 0:
                measured[name] += turn
        names.append(names.pop(0))
    return measured


def seconds(work: Callable[[], Any]) -> list[float]:
    """How long `work` takes, as the measurement of one turn."""
    began = time.perf_counter()
    work()
    return [time.perf_counter() - began]
