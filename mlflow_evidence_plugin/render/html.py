"""A bundle as HTML: one file that fetches nothing and runs nothing; and what the pages share."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PackageLoader, StrictUndefined
from markupsafe import Markup

from .charts import chart
from .exhibit import Exhibit
from .shown import Shown
from .stated import counted
from .text import visible

MOST_CHARTS = 24
"""Drawn in the file; 500 would make it one of megabytes."""

_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?Z")

Picture = dict[str, Any]


def html(exhibit: Exhibit) -> bytes:
    """UTF-8 HTML, style and pictures inside; the same bytes for the same exhibit."""
    shown = Shown(exhibit)
    drawable = shown.histories
    charts = list(_embedded(exhibit, drawable[:MOST_CHARTS]))
    template = environment().get_template("evidence.html")
    return template.render(
        shown=shown,
        charts=charts,
        charts_left=len(drawable) - len(charts),
        links=None,
        style=Markup(style()),  # noqa: S704 - our own sheet
        csp=csp(),
    ).encode()


@cache
def environment(pages: Path | None = None) -> Environment:
    """Templates with every value escaped; those in the folder `pages` stand beside ours."""
    loaders = [PackageLoader("mlflow_evidence_plugin.render")]
    found = Environment(
        loader=ChoiceLoader([FileSystemLoader(pages), *loaders] if pages else loaders),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
    )
    found.globals["FOLD"] = MOST_CHARTS
    found.filters["when"] = when
    found.filters["counted"] = counted
    return found


@cache
def style() -> str:
    """The one style sheet."""
    return (files(__package__) / "templates" / "style.css").read_text("utf-8")


@cache
def csp() -> str:
    """What the file may do: its own style and the pictures inside it, and nothing else."""
    digest = base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:"


def when(moment: str) -> str | Markup:
    """A time to the second, for reading; a machine finds all of it."""
    found = _MOMENT.fullmatch(moment)
    if not found:
        return moment
    day, time = found.groups()
    return Markup('<time datetime="{}">{} {} UTC</time>').format(moment, day, time)


def _shown(value: Any) -> Any:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _embedded(exhibit: Exhibit, drawable: Sequence[tuple[str, str, str]]) -> Iterator[Picture]:
    for name, digest, alt in drawable:
        drawn = chart(digest, exhibit.series)
        if drawn:
            src = "data:image/svg+xml;base64," + base64.b64encode(drawn[0]).decode()
            yield {"name": name, "alt": alt, "src": src, "caption": drawn[1], "lazy": False}


__all__ = ["MOST_CHARTS", "Picture", "csp", "environment", "html", "style"]
