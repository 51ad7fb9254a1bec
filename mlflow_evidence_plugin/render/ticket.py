"""All that belongs to a change ticket, as a document to read: Markdown, or one HTML file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from .html import csp, environment, style
from .markdown import template


def markdown(found: Mapping[str, Any]) -> bytes:
    """UTF-8 CommonMark. No value of a record or an approval can become more than text."""
    return template("change.md").render(found=found).encode()


def html(found: Mapping[str, Any]) -> bytes:
    """UTF-8 HTML that fetches nothing and runs nothing."""
    told = {"found": found, "style": Markup(style()), "csp": csp()}  # noqa: S704 - our own sheet
    return environment().get_template("change.html").render(told).encode()
