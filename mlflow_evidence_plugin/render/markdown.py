"""A bundle as Markdown, to be pasted into a change ticket."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from .exhibit import Exhibit
from .shown import Shown
from .text import Written, harmless

MOST = 20
"""Gaps and findings told one by one."""


def markdown(exhibit: Exhibit) -> bytes:
    """UTF-8 CommonMark. No value of the record can become a link, an image, HTML or a heading."""
    return _template().render(shown=Shown(exhibit), MOST=MOST).encode()


@cache
def _template() -> Template:
    environment = Environment(  # noqa: S701 - not HTML: `harmless` fences every value
        loader=PackageLoader("mlflow_evidence_plugin.render"),
        finalize=harmless,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters["ours"] = Written
    return environment.get_template("ticket.md")
