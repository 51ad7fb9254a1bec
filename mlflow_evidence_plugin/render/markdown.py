"""A bundle as Markdown, to be pasted into a change ticket."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from .differences import change, gaps, matrix, off
from .exhibit import Exhibit
from .shown import Shown
from .stated import counted
from .text import Written, harmless

MOST = 20
"""Rules, gaps and findings told one by one."""


def markdown(exhibit: Exhibit) -> bytes:
    """UTF-8 CommonMark. No value of the record can become a link, an image, HTML or a heading."""
    return template("ticket.md").render(shown=Shown(exhibit), MOST=MOST).encode()


def comparison_markdown(found: Mapping[str, Any]) -> bytes:
    """A comparison, likewise."""
    shown = {"found": found, "lines": matrix(found), "gaps": gaps(found)}
    return template("comparison.md").render(shown).encode()


def history_markdown(found: Mapping[str, Any]) -> bytes:
    """A history, likewise."""
    return template("history.md").render(found=found, off=off, MOST=MOST).encode()


@cache
def template(name: str) -> Template:
    """A template in which every value becomes a code span."""
    environment = Environment(  # noqa: S701 - not HTML: `harmless` fences every value
        loader=PackageLoader("mlflow_evidence_plugin.render"),
        finalize=harmless,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters["ours"] = Written
    environment.filters["change"] = change
    environment.filters["counted"] = counted
    return environment.get_template(name)
