"""What a subject is now against what was signed of it: fact by fact. Pure.

Unlike a comparison of two candidates, both documents are about the same thing: whatever differs is
a change of it, and a section that has no facts, and of which nothing was left unread, is empty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

ADDED, REMOVED, CHANGED = "added", "removed", "changed"
FILES = ("outputs", "model_files")

SECTIONS = (
    "run",
    "version",
    "governance",
    "tags",
    "parameters",
    "metrics",
    "history",
    "inputs",
    "lineage",
    "models",
    *FILES,
)
"""What the others hold is made of these."""

RUNLESS = ("version", "model_files")
"""Sections of a model version that need no run."""

_FOLLOWS = ("version/signature", "lineage/previous_created")
"""Facts that follow from others, which are compared: from a file's bytes, from the one before."""

_READ = ("not-scanned", "not-unicode")
"""Gaps of what was read all the same."""

Document = Mapping[str, Any]
Finding = dict[str, Any]


def drift(
    signed: Document, now: Document, contents: bool
) -> tuple[list[Finding], list[dict[str, str]]]:
    """What changed: `what, kind, was, is`; and what cannot be known: `what, why`.

    Without `contents` the document of now has no histories, and files of the same size have the
    digest of the signed one.
    """
    findings: list[Finding] = []
    unknown: dict[str, str] = {}
    names = [one for one in SECTIONS if contents or one != "history"]
    if "facts" in signed["run"] and _code(now, "run") == "not-found":
        # What was of the run is gone with it: said once.
        findings.append(finding("run", REMOVED, signed["run"]["facts"]["run_id"]["value"], None))
        names = list(RUNLESS)
    for section in names:
        for what, was, is_, why in _different(signed, now, section, contents):
            if why is not None:
                unknown[what] = why
            else:
                findings.append(finding(what, _kind(was, is_), was, is_))
    for gap in now.get("gaps", []):
        if gap["code"] not in _READ and gap["place"] != "run":
            unknown.setdefault(gap["place"], gap["reason"])
    return findings, [{"what": what, "why": why} for what, why in sorted(unknown.items())]


def _different(
    signed: Document, now: Document, section: str, contents: bool
) -> Iterator[tuple[str, Any, Any, str | None]]:
    """Each fact that differs, with both values; and why it may only not have been read."""
    were, are = _values(signed, section, contents), _values(now, section, contents)
    unread = _unread(signed, section, "signed"), _unread(now, section, "now")
    for name in sorted({*were, *are}):
        was, is_ = were.get(name), are.get(name)
        if was != is_:
            missing = was is None or is_ is None
            why = unread[was is not None](name) if missing else None
            yield f"{section}/{name}", was, is_, why


def finding(what: str, kind: str, was: Any, is_: Any) -> Finding:
    """One change."""
    return {"what": what, "kind": kind, "was": was, "is": is_}


def _kind(was: Any, is_: Any) -> str:
    return ADDED if was is None else REMOVED if is_ is None else CHANGED


def _values(document: Document, section: str, contents: bool) -> dict[str, Any]:
    facts = document.get(section, {}).get("facts", {})
    found = {name: fact["value"] for name, fact in facts.items()}
    if section == "metrics":  # when a value was logged is known from its history alone
        return {name: value["value"] for name, value in found.items()}
    found = {k: v for k, v in found.items() if f"{section}/{k}" not in _FOLLOWS}
    if section == "version":
        return dict(_flat(found))
    if section in FILES and not contents:
        return {name: {"size": value["size"]} for name, value in found.items()}
    return found


def _flat(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if name != "tags":
            yield name, value
    for name, value in values.get("tags", {}).items():
        yield f"tags/{name}", value


def _unread(document: Document, section: str, which: str) -> Callable[[str], str | None]:
    """Why a fact that is not there may only not have been read; None where it was not there."""
    gaps = [one for one in document.get("gaps", []) if one["code"] not in _READ]

    def why(name: str) -> str | None:
        whole = f"{section}/{name}"
        for gap in gaps:
            place = gap["place"]
            if place in (section, whole) or whole.startswith(f"{place}/"):
                said: str = gap["reason"]
                return said if which == "now" else f"not read when it was captured: {said}"
        return None

    return why


def _code(document: Document, place: str) -> str | None:
    return next((g["code"] for g in document.get("gaps", []) if g["place"] == place), None)
