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
    axes.set_xticks(places, _dates([items[n]["started"] for n in places]), rotation=30, ha="right")
    axes.set_xlim(-0.5, max(len(items), 1) - 0.5)
    axes.set_ylabel(_name(found["metric"]), parse_math=False)
    axes.margins(y=0.1)
    axes.grid(color="#8a93a0", alpha=0.3, linewidth=0.6)
    axes.legend(loc="best", fontsize=8, frameon=False)


def _against(found: Mapping[str, Any]) -> str:
    return f"{found['against']} of the {found['window']} before (tolerance {found['tolerance']})"


def _ticks(count: int) -> list[int]:
    every = max(1, math.ceil(count / TICKS))
    return list(range(0, count, every))


def _dates(started: Sequence[str | None]) -> list[str]:
    """Days; the times of runs that all lie within one day."""
    known = [one for one in started if one]
    short = slice(11, 19) if len({one[:10] for one in known}) == 1 else slice(0, 10)
    return [one[short] if one else "unknown" for one in started]


def _name(text: str) -> str:
    shown = "".join(c if c.isprintable() else "?" for c in visible(text))
    return shown if len(shown) <= LONGEST else f"{shown[:LONGEST]}…"


__all__ = ["PNG", "SVG", "alt", "plot"]
