"""An inventory added up: by whom it is, or by whom it is paid for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

OWNER, COST_CENTER = "owner", "cost_center"


def groups(items: Iterable[Mapping[str, Any]], by: str) -> list[dict[str, Any]]:
    """For each owner or cost centre: what it has, what of that lacks what, and what it used.

    Each `group, subjects, artifact_bytes, duration_ms, unmeasured, lacks`. A run counts once, also
    where versions that came from it are listed beside it. `unmeasured` are subjects of which no
    evidence tells the bytes. Nobody's come last.
    """
    found: dict[str | None, dict[str, Any]] = {}
    for one in items:
        group = found.setdefault(one[by], _empty(one[by]))
        group["subjects"] += 1
        for name in one["lacks"]:
            group["lacks"][name] = group["lacks"].get(name, 0) + 1
        _cost(group, one)
    named = sorted(found.values(), key=lambda one: (one["group"] is None, one["group"] or ""))
    return [{name: one[name] for name in one if name != "seen"} for one in named]


def _empty(group: str | None) -> dict[str, Any]:
    nothing: dict[str, Any] = dict.fromkeys(("subjects", "artifact_bytes", "duration_ms"), 0)
    return {"group": group, **nothing, "unmeasured": 0, "lacks": {}, "seen": {}}


def _cost(group: dict[str, Any], one: Mapping[str, Any]) -> None:
    if one["artifact_bytes"] is None:
        group["unmeasured"] += 1
    # Evidence of a run, and of each version made from it, tells of the same bytes and hours.
    seen = group["seen"].setdefault(one["run_id"] or one["subject"], {})
    for name in ("artifact_bytes", "duration_ms"):
        if one[name] is not None and name not in seen:
            seen[name] = one[name]
            group[name] += one[name]
