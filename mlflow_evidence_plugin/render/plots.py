"""A history as a picture, SVG or PNG: the same bytes for the same history."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

from .charts import LOCK, STYLE
from .series import to_draw
from .text import visible

SVG, PNG = "image/svg+xml", "image/png"
SIZE = (7.2, 3.2)
"""Inches, at 72 points each in SVG and 144 dots in PNG."""
TICKS = 16
"""Starts that are written below it, at the most."""
LONGEST = 60
SHORT = 24
"""Characters of a run's name beside its mark."""
ACROSS = 90
"""Such characters that there is room for from side to side."""

_BLUE, _RED, _SOFT = "#1f5fbf", "#98141d", "#6b7785"
_NOTHING: dict[str, dict[str, Any]] = {
    "svg": {"Date": None, "Creator": None, "Format": None, "Type": None},
    "png": {"Software": None},
}


def plot(found: Mapping[str, Any], media_type: str = SVG) -> bytes:
    """The metric over the runs; regressions in red, runs without a value as stripes.

    The metric's name is a stranger's: it stands in it as text, never as mathematics.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    form = "svg" if media_type == SVG else "png"
    out = io.BytesIO()
    with LOCK, rc_context(STYLE):
        figure = Figure(figsize=SIZE, layout="constrained", dpi=144 if form == "png" else 72)
        (FigureCanvasSVG if form == "svg" else FigureCanvasAgg)(figure)
        _draw(figure.add_subplot(), found)
        options = {"transparent": True} if form == "svg" else {"facecolor": "white"}
        figure.savefig(out, format=form, metadata=_NOTHING[form], **options)
    return out.getvalue()


def alt(found: Mapping[str, Any]) -> str:
    """What somebody is told who does not see the picture."""
    states = [one["state"] for one in found["items"]]
    counted = {state: states.count(state) for state in ("regression", "unknown")}
    return (
        f"{found['metric']} over {len(states)} runs of {found['experiment']}: "
        f"{counted['regression']} regressed, {counted['unknown']} without a value"
    )


def _draw(axes: Any, found: Mapping[str, Any]) -> None:
    items = found["items"]
    y = [to_draw(one["value"]) for one in items]
    gap: str | None = "no value"
    for place, value in enumerate(y):
        if math.isnan(value):  # a gap is seen, not skipped
            axes.axvspan(place - 0.3, place + 0.3, color=_SOFT, alpha=0.15, linewidth=0, label=gap)
            gap = None
    baseline = [to_draw(one["baseline"]) for one in items]
    axes.plot(baseline, color=_SOFT, linewidth=1, linestyle="--", label=_against(found))
    axes.plot(y, color=_BLUE, linewidth=1.5, marker="o", markersize=4)
    worse = [n for n, one in enumerate(items) if one["state"] == "regression"]
    if worse:
        at = {"linestyle": "none", "marker": "X", "markersize": 9, "color": _RED}
        axes.plot(worse, [y[n] for n in worse], label="regression", **at)
    places = _ticks(len(items))
    started = [one["started"] for one in items]
    dates = _dates([started[n] for n in places], started)
    axes.set_xticks(places, dates, rotation=30, ha="right")
    axes.set_xlabel(_day(started))
    axes.set_xlim(-0.5, max(len(items), 1) - 0.5)
    axes.set_ylabel(_name(found["metric"]), parse_math=False)
    axes.margins(y=0.2)
    _name_runs(axes, [(n, y[n], _run(items[n])) for n in worse if math.isfinite(y[n])])
    axes.grid(color="#8a93a0", alpha=0.3, linewidth=0.6)
    axes.legend(loc="best", fontsize=8, frameon=False)


def _name_runs(axes: Any, found: Sequence[tuple[int, float, str]]) -> None:
    """On the outer side of each mark, since the line comes from the inner one.

    Of runs too close to each other the later one is named.
    """
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    free = right
    for place, value, name in reversed(found):
        width = len(name) * (right - left) / ACROSS
        start = max(left, min(place - width / 2, right - width))
        if start + width > free:
            continue
        free = start
        above = value - low > high - value
        axes.annotate(
            name,
            (start, value),
            xytext=(0, 7 if above else -7),
            textcoords="offset points",
            va="bottom" if above else "top",
            fontsize=8,
            color=_RED,
            parse_math=False,
        )


def _run(one: Mapping[str, Any]) -> str:
    return _name(one["name"] or one["subject"], SHORT)


def _against(found: Mapping[str, Any]) -> str:
    """Of the first runs there are fewer before than asked for."""
    window = found["window"]
    what = "the one before" if window == 1 else f"{found['against']} of up to {window} before"
    return f"{what} (tolerance {found['tolerance']})"


def _ticks(count: int) -> list[int]:
    every = max(1, math.ceil(count / TICKS))
    return list(range(0, count, every))


def _days(started: Sequence[str | None]) -> set[str]:
    return {one[:10] for one in started if one}


def _dates(written: Sequence[str | None], started: Sequence[str | None]) -> list[str]:
    """Days; the times of runs that all lie within one day."""
    short = slice(11, 19) if len(_days(started)) == 1 else slice(0, 10)
    return [one[short] if one else "unknown" for one in written]


def _day(started: Sequence[str | None]) -> str:
    """What the axis says of all of them."""
    days = _days(started)
    return f"{days.pop()}, UTC" if len(days) == 1 else "days in UTC" if days else ""


def _name(text: str, longest: int = LONGEST) -> str:
    shown = "".join(c if c.isprintable() else "?" for c in visible(text))
    return shown if len(shown) <= longest else f"{shown[:longest]}…"


__all__ = ["PNG", "SHORT", "SVG", "alt", "plot"]
