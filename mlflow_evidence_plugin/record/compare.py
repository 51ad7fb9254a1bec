"""What differs between records: facts as they stand in them, in decimal arithmetic.

A section that is absent, a file that could not be read, a metric that is no finite number: of these
it is said that they are unknown, never that they are the same or gone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from .forge import commits
from .numbers import delta, finite, shown

HIGHER, LOWER = "higher", "lower"
ADDED, REMOVED, CHANGED, UNKNOWN = "added", "removed", "changed", "unknown"
MOST = 10
"""Records that are compared at a time, the base among them."""

Document = Mapping[str, Any]
Change = dict[str, Any]
Values = dict[str, Any]

_OF_THE_RUN = ("experiment", "status", "lifecycle", "user")


def differences(base: Document, other: Document, sections: Iterable[str] = ()) -> list[Change]:
    """Each fact that differs: `section, name, kind, base, value`; nothing for equal documents.

    `kind` is `added`, `removed` or `changed`; or `unknown`, where one side could not be read.
    """
    found: list[Change] = []
    for section in sections or SECTIONS:
        read = SECTIONS[section]
        values = _values(base, section), _values(other, section)
        mine, theirs = read(*values), read(*reversed(values))
        if not (_absent(base, section) and _absent(other, section)):
            found += _section(section, mine, theirs, _unread(section, base, other))
    return found


def lacking(base: Document, other: Document) -> list[dict[str, Any]]:
    """Sections that one side or both lack, each with the reasons: what cannot be compared."""
    sides = [(s, _absent(base, s), _absent(other, s)) for s in SECTIONS]
    return [{"section": s, "base": b, "value": o} for s, b, o in sides if b or o]


def comparison(documents: Sequence[Document], directions: Mapping[str, str]) -> dict[str, Any]:
    """The first document against each other one; `other` in an item counts them, from 1 on.

    `directions` says of a metric whether `higher` or `lower` is better.
    """
    base, *others = documents
    items: list[Change] = []
    gaps: list[dict[str, Any]] = []
    told = []
    for number, other in enumerate(others, 1):
        if other != base:
            found = [judged(one, directions) for one in differences(base, other)]
            items += [{"other": number, **one} for one in found]
            gaps += [{"other": number, **one} for one in lacking(base, other)]
        told.append({"same": other == base, "commits": commits(base, other)})
    return {"others": told, "items": items, "gaps": gaps}


def judged(change: Change, directions: Mapping[str, str]) -> Change:
    """A change with `delta`, `relative` and `verdict`; null where they mean nothing."""
    both = finite(change["base"]), finite(change["value"])
    numeric = change["section"] in ("metrics", "cost")
    difference, relative = delta(*both) if numeric else (None, None)
    verdict = _verdict(both, directions.get(change["name"])) if _metric(change) else None
    return {**change, "delta": shown(difference), "relative": shown(relative), "verdict": verdict}


def _metric(change: Change) -> bool:
    return bool(change["section"] == "metrics")


def _verdict(values: tuple[Any, Any], direction: str | None) -> str | None:
    before, after = values
    if direction is None:
        return None
    if before is None or after is None:
        return UNKNOWN
    if before == after:
        return "same"
    return "better" if (after > before) == (direction == HIGHER) else "worse"


def _section(name: str, base: Values, other: Values, lost: Lost) -> Iterator[Change]:
    for key in sorted({*base, *other}):
        before, after = base.get(key), other.get(key)
        if (kind := _kind(name, key, before, after, lost)) is not None:
            yield {"section": name, "name": key, "kind": kind, "base": before, "value": after}


def _kind(section: str, key: str, before: Any, after: Any, lost: Lost) -> str | None:
    if before is None or after is None:
        if lost[before is not None](key):
            return UNKNOWN
        return ADDED if before is None else REMOVED
    if section == "metrics" and finite(before) is None and finite(after) is None:
        return UNKNOWN
    return None if before == after else CHANGED


Lost = tuple[Callable[[str], bool], Callable[[str], bool]]
"""Whether a fact that is not there may only not have been read: in the base, in the other."""


def _unread(section: str, base: Document, other: Document) -> Lost:
    return _loser(section, base), _loser(section, other)


def _loser(section: str, document: Document) -> Callable[[str], bool]:
    if _absent(document, section):
        return lambda _: True
    places = {gap["place"] for gap in document.get("gaps", []) if gap["code"] not in _READ}
    folders = tuple(f"{place}/" for place in places)

    def lost(name: str) -> bool:
        whole = f"{section}/{name}"
        return section in places or whole in places or whole.startswith(folders)

    return lost


_READ = ("not-scanned", "not-unicode")
"""Gaps of what was read all the same."""


def _absent(document: Document, section: str) -> str | None:
    """Why a section has no facts; None where it has some."""
    found = document.get(section)
    if found is None:
        return "this kind of evidence has no such section"
    reason: str | None = found.get("absent")
    return reason


def _values(document: Document, section: str) -> Values:
    facts = document.get(section, {}).get("facts", {})
    return {name: fact["value"] for name, fact in facts.items()}


def _plain(values: Values, _: Values) -> Values:
    return values


def _run(values: Values, _: Values) -> Values:
    return {name: values[name] for name in _OF_THE_RUN if name in values}


def _metrics(values: Values, _: Values) -> Values:
    return {name: one["value"] for name, one in values.items()}


def _tags(values: Values, _: Values) -> Values:
    """Without MLflow's own, which name the run itself, its files and its place."""
    return {name: value for name, value in values.items() if not name.startswith("mlflow.")}


def _datasets(values: Values, others: Values) -> Values:
    """By name, so that another digest is a change; by name and digest where a name stands twice.

    On either side: else what both have would be told by its name here and by its digest there.
    """
    sides = (Counter(one["name"] for one in side.values()) for side in (values, others))
    twice = {name for side in sides for name, count in side.items() if count > 1}
    return {
        key if one["name"] in twice else one["name"]: _without(one, "name")
        for key, one in values.items()
    }


def _version(values: Values, _: Values) -> Values:
    flat = {f"tags.{name}": value for name, value in values.get("tags", {}).items()}
    signature = values.get("signature")
    if isinstance(signature, dict):
        flat |= {f"signature.{name}": value for name, value in signature.items()}
    kept = {name: values[name] for name in ("creator", "description") if name in values}
    return kept | flat


def _without(values: Values, name: str) -> Values:
    return {key: value for key, value in values.items() if key != name}


SECTIONS: Mapping[str, Callable[[Values, Values], Values]] = {
    "metrics": _metrics,
    "parameters": _plain,
    "inputs": _datasets,
    "code": _plain,
    "environment": _plain,
    "governance": _plain,
    "tags": _tags,
    "version": _version,
    "run": _run,
    "compute": _plain,
    "cost": _plain,
    "model_files": _plain,
    "outputs": _plain,
}
"""What is compared, in this order, and how a side's facts are read for it, beside the other's."""

CAUSES = ("parameters", "inputs", "code", "environment")
"""Where the cause of another result is looked for first."""


__all__ = ["CAUSES", "HIGHER", "LOWER", "MOST", "comparison", "differences", "lacking"]
