"""A metric's history as a picture: SVG, the same bytes for the same series."""

from __future__ import annotations

import io
import math
import threading
from collections.abc import Callable, Mapping
from typing import Any

from cachetools import LRUCache

from .series import Drawn, read_series

SIZE = (4.8, 2.2)
"""Inches, at 72 points each; the page scales it."""

Chart = tuple[bytes, str]
"""An SVG, and what to say below it."""

LOCK = threading.Lock()  # matplotlib's settings belong to the whole process
_DRAWN: LRUCache[str, Chart] = LRUCache(8 << 20, lambda drawn: len(drawn[0]))
STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "mlflow-evidence",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.edgecolor": "#5d6672",
    "axes.labelcolor": "#3c444f",
    "axes.spines.right": False,
    "axes.spines.top": False,
    "xtick.color": "#3c444f",
    "ytick.color": "#3c444f",
    "axes.formatter.useoffset": False,
    "path.simplify": False,
}
_NOTHING = {"Date": None, "Creator": None, "Format": None, "Type": None}


def chart(digest: str, series: Callable[[str], bytes | None]) -> Chart | None:
    """The picture of the series with a digest; None where the series is not at hand.

    `series` gives its lines `step,timestamp,value`. A series never changes, so that its picture is
    kept. No text of a stranger's stands in it.
    """
    with LOCK:
        known: Chart | None = _DRAWN.get(digest)
    if known is None and (text := series(digest)) is not None:
        drawn = read_series(text)
        with LOCK:
            known = _DRAWN[digest] = (_svg(drawn), _caption(drawn))
    return known


def describe(name: str, figures: Mapping[str, Any]) -> str:
    """What somebody is told who does not see the picture."""
    told = "{count} points, first {first}, last {last}, min {min}, max {max}"
    return f"Line chart of {name}: {told.format(**figures)}"


def _caption(drawn: Drawn) -> str:
    said = "Over steps" if drawn.by_step else "In the order logged: no step was given"
    if drawn.thinned:
        said += f". Of {drawn.count:,} points the extremes of every stretch are drawn"
    return f"{said}. {_missing(drawn)}".strip()


def _missing(drawn: Drawn) -> str:
    if not drawn.undrawn:
        return ""
    many = "1 point is" if drawn.undrawn == 1 else f"{drawn.undrawn:,} points are"
    return f"{many} not a number, or infinite: gaps in the line."


def _svg(drawn: Drawn) -> bytes:
    # Here, so that who asks for no picture does not pay for matplotlib (0.5 s, 50 MB).
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    out = io.BytesIO()
    with rc_context(STYLE):
        figure = Figure(figsize=SIZE, layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        marker = "o" if len(drawn.x) <= 40 else None
        axes.plot(drawn.x, drawn.y, color="#1f5fbf", linewidth=1.5, marker=marker, markersize=3)
        _lone_points(axes, drawn)
        axes.set_title(_missing(drawn), fontsize=8, color="#7a4b00", loc="left")
        axes.set_xlabel("step" if drawn.by_step else "point")
        axes.grid(color="#8a93a0", alpha=0.3, linewidth=0.6)
        axes.locator_params(nbins=5)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
        figure.savefig(out, format="svg", transparent=True, metadata=_NOTHING)
    return out.getvalue()


def _lone_points(axes: Any, drawn: Drawn) -> None:
    """A point between two gaps has no line to be seen by."""
    known = [math.isfinite(y) for y in drawn.y]
    lone = [
        i
        for i, here in enumerate(known)
        if here and not any(known[j] for j in (i - 1, i + 1) if 0 <= j < len(known))
    ]
    if lone:
        at = [drawn.x[i] for i in lone], [drawn.y[i] for i in lone]
        axes.plot(*at, color="#1f5fbf", linestyle="none", marker="o", markersize=3)


__all__ = ["chart", "describe"]
