"""A metric's kept series, read and thinned to what a picture can show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

BUCKETS = 300
"""Of each bucket the least and the greatest point are drawn, so that no spike is lost."""

LARGEST = 1e300
"""Beyond it the arithmetic of drawing overflows."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Drawn:
    """The points of a line in order; NaN is a gap. `count` is how many there were."""

    x: tuple[float, ...]
    y: tuple[float, ...]
    count: int
    undrawn: int
    by_step: bool

    @property
    def thinned(self) -> bool:
        """Whether fewer are drawn than there are."""
        return self.count > 3 * BUCKETS


def read_series(text: bytes) -> Drawn:
    """Points of a series, from its lines `step,timestamp,value`, over steps.

    Where no step ever moves (a loop that logged without one), over their order instead.
    """
    lines = [line.split(",") for line in text.decode("ascii").splitlines()]
    values = [float(value) for _, _, value in lines]
    by_step = bool(lines) and lines[0][0] != lines[-1][0]
    at = [float(step) for step, _, _ in lines] if by_step else [float(n) for n in range(len(lines))]
    points = list(zip(at, values, strict=True))
    undrawn = sum(not _drawable(point) for point in points)
    kept = thin(points)
    return Drawn(tuple(x for x, _ in kept), tuple(y for _, y in kept), len(lines), undrawn, by_step)


def to_draw(text: str | None) -> float:
    """A value's text for drawing; NaN, which is a gap, for what cannot be drawn."""
    value = math.nan if text is None else float(text)
    return value if _drawable((0, value)) else math.nan


def thin(points: Sequence[Point]) -> list[Point]:
    """At most three points a bucket: the least, the greatest, and a gap if there is one."""
    if len(points) <= 3 * BUCKETS:
        return [_gapped(point) for point in points]
    kept: list[Point] = []
    for n in range(BUCKETS):
        bucket = points[n * len(points) // BUCKETS : (n + 1) * len(points) // BUCKETS]
        known = [i for i, point in enumerate(bucket) if _drawable(point)]
        chosen = {i for i, point in enumerate(bucket) if not _drawable(point)}
        chosen = {min(chosen)} if chosen else set()
        if known:
            chosen.add(min(known, key=lambda i: bucket[i][1]))
            chosen.add(max(known, key=lambda i: bucket[i][1]))
        kept += [_gapped(bucket[i]) for i in sorted(chosen)]
    return kept


def _drawable(point: Point) -> bool:
    return math.isfinite(point[1]) and abs(point[1]) <= LARGEST


def _gapped(point: Point) -> Point:
    return point if _drawable(point) else (point[0], math.nan)
