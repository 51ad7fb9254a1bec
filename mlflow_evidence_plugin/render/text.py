"""Strangers' text, made harmless: values of a record were written by whoever may log to MLflow."""

from __future__ import annotations

import json
import re
from typing import Any

LONGEST = 300
"""Characters of a value in a ticket; the evidence itself has all of them."""

_BREAKS = re.compile("\r\n|[\n\r\x0b\x0c\x85\u2028\u2029]")
_HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069"
    "\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
"""Characters that nobody sees, but that reorder, hide or smuggle what is read."""


class Written(str):
    """Markdown that we wrote ourselves. Every other text becomes a code span."""

    __slots__ = ()


def visible(text: str) -> str:
    """The text with each hidden character named: `⟨U+202E⟩` where it would turn the line round."""
    return _HIDDEN.sub(lambda found: f"⟨U+{ord(found.group()):04X}⟩", text)


def plain(value: Any) -> str:
    """A fact's value as text: text as it is, anything deeper as compact JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": "))


def one_line(text: str) -> str:
    """The text on a line of its own, every character seen; a long one is cut, and says so."""
    line = visible(_BREAKS.sub(" ⏎ ", text)).replace("\t", " ")
    if len(line) > LONGEST:
        line = f"{line[:LONGEST]}… ({len(text):,} characters)"
    return line


def code_span(text: str) -> Written:
    """A Markdown code span: nothing in it is a link, an image, HTML, a mention or a line break.

    https://spec.commonmark.org/0.31.2/#code-spans: it ends at the next run of as many backticks.
    """
    line = one_line(text)
    if not line.strip():
        return Written("(empty)")
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    pad = " " if line[0] in "` " or line[-1] in "` " else ""
    return Written(f"{fence}{pad}{line}{pad}{fence}")


def harmless(value: Any) -> Any:
    """For Jinja's `finalize` in Markdown: what nobody marked as ours becomes a code span."""
    return code_span(value) if isinstance(value, str) and not isinstance(value, Written) else value
