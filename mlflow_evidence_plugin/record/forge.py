"""The commits between two records, and where a known forge shows them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_REMOTE = re.compile(
    r"(?:https?://|ssh://(?:git@)?|git@)(?P<host>[a-z0-9.-]+)[:/]"
    r"(?P<path>[A-Za-z0-9_][\w.-]*(?:/[A-Za-z0-9_][\w.-]*?)+?)(?:\.git)?/?",
    re.ASCII,
)
_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_FORGES = {
    "github.com": "https://github.com/{path}/compare/{old}...{new}",
    "gitlab.com": "https://gitlab.com/{path}/-/compare/{old}...{new}",
    "bitbucket.org": "https://bitbucket.org/{path}/branches/compare/{new}%0D{old}",
}
"""A remote is text of a stranger's: only these hosts, and paths of plain names, become a link."""


def commits(base: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any] | None:
    """`range` as `git log` takes it, whether either was `dirty`, and a `link`; None if unknown."""
    mine, theirs = _code(base), _code(other)
    old, new = mine.get("commit"), theirs.get("commit")
    if not (old and new and _COMMIT.fullmatch(old) and _COMMIT.fullmatch(new)):
        return None
    dirty = [one.get("dirty") for one in (mine, theirs)]
    link = None
    if old != new and mine.get("remote") == theirs.get("remote"):
        link = _link(theirs.get("remote", ""), old, new)
    return {"range": f"{old}..{new}", "same": old == new, "dirty": dirty, "link": link}


def _link(remote: str, old: str, new: str) -> str | None:
    found = _REMOTE.fullmatch(remote)
    form = _FORGES.get(found["host"]) if found else None
    return form.format(path=found["path"], old=old, new=new) if form and found else None


def _code(document: Mapping[str, Any]) -> dict[str, Any]:
    facts = document.get("code", {}).get("facts", {})
    return {name: fact["value"] for name, fact in facts.items()}


__all__ = ["commits"]
