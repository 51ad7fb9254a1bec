"""A verdict as a document of Jira: Atlassian Document Format, in which all text is inert.

https://developer.atlassian.com/cloud/jira/platform/apis/document/structure/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Any

from .exhibit import Exhibit
from .shown import Shown
from .text import one_line

Node = dict[str, Any]
MOST = 50
"""Reasons told one by one."""

LONGEST = 24_000
"""Characters of them all, in UTF-16. Jira takes 32,767 of a comment, and may count marks, too."""


def verdict_adf(exhibit: Exhibit, environment: str, url: str | None = None) -> Node:
    """The exhibit's verdict in an environment, with a link to the evidence at `url`."""
    shown = Shown(exhibit)
    verdict = next((v for v in shown.verdicts if v["environment"] == environment), None)
    word = verdict["word"] if verdict else "Not judged yet"
    head = [_strong(word), _text(": "), _code(shown.subject), _text(" for "), _code(environment)]
    content = [_paragraph(*head)]
    items = list(_reasons(verdict)) if verdict else []
    if items:
        content.append(_list(*_fitting(items)))
    content.append(_paragraph(_text("Record "), _code(shown.digest)))
    if url:
        content.append(_paragraph(_link("The evidence", url)))
    return {"type": "doc", "version": 1, "content": content}


def _reasons(verdict: Mapping[str, Any]) -> Iterator[list[Node]]:
    kinds = (("reasons", "blocks"), ("warnings", "warns"), ("waived", "waived"))
    for kind, said in kinds:
        for one in verdict[kind]:
            told = [_strong(f"{said}: {one['code']}"), _text(", found "), _code(one["found"])]
            told += [_text(", asked "), _code(one["asked"])]
            told += [_text("; to mend: "), _code(one["mend"])] if one["mend"] else []
            if kind == "waived":
                told += [_text("; answered for by "), _code(one["by"])]
                told += [_text(f" until {one['expires_at']}")]
            yield told


def _fitting(items: list[list[Node]]) -> list[list[Node]]:
    """As many as there is room for, from the first on, and how many are left out."""
    lengths = (sum(_length(node["text"]) for node in one) for one in items[:MOST])
    told = sum(so_far <= LONGEST for so_far in accumulate(lengths))
    left = len(items) - told
    return items[:told] + ([[_text(f"and {left} more in the evidence")]] if left else [])


def _length(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _text(text: str, *marks: Node) -> Node:
    """Jira refuses empty text."""
    node: Node = {"type": "text", "text": one_line(text) or "(empty)"}
    return node | {"marks": list(marks)} if marks else node


def _strong(text: str) -> Node:
    return _text(text, {"type": "strong"})


def _code(text: str) -> Node:
    return _text(text, {"type": "code"})


def _link(text: str, url: str) -> Node:
    return _text(text, {"type": "link", "attrs": {"href": url}})


def _paragraph(*content: Node) -> Node:
    return {"type": "paragraph", "content": list(content)}


def _list(*items: list[Node]) -> Node:
    found = [{"type": "listItem", "content": [_paragraph(*one)]} for one in items]
    return {"type": "bulletList", "content": found}


__all__ = ["verdict_adf"]
