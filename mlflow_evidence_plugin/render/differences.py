"""A comparison and a history as rows, for the page, for Markdown and for the terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Any

from ..record.compare import SECTIONS
from ..record.numbers import shown
from .parts import PARTS
from .text import LONGEST, plain

SAME, NOTHING = "=", "–"
WORDS = {
    "first": ("", "", "first"),
    "ok": ("good", "✓", "ok"),
    "regression": ("bad", "✕", "regression"),
    "unknown": ("open", "…", "unknown"),
}
"""Of a state in a history: its tone, its mark, what is said."""

BETTER = {"better": "good", "worse": "bad", "unknown": "open"}
_EIGHTHS = " ▏▎▍▌▋▊▉█"


@dataclass(frozen=True)
class Cell:
    """What one candidate has: its value, how far from the base, and the tone of that."""

    text: str
    note: str = ""
    tone: str = ""


@dataclass(frozen=True)
class Line:
    """One fact that differs: its section, its name, the base's value, and each candidate's."""

    section: str
    name: str
    base: str
    others: tuple[Cell, ...]


def matrix(found: Mapping[str, Any]) -> list[Line]:
    """A comparison side by side: a line for each fact that differs in any candidate."""
    grouped: dict[tuple[str, str], dict[int, Mapping[str, Any]]] = {}
    for item in found["items"]:
        grouped.setdefault((item["section"], item["name"]), {})[item["other"]] = item
    ranks = {section: place for place, section in enumerate(SECTIONS)}
    ordered = sorted(grouped, key=lambda key: (ranks.get(key[0], len(ranks)), key[1]))
    return [_line(*key, grouped[key], len(found["others"])) for key in ordered]


def _line(section: str, name: str, items: Mapping[int, Mapping[str, Any]], count: int) -> Line:
    some = next(iter(items.values()))
    cells = tuple(_cell(items.get(number)) for number in range(1, count + 1))
    return Line(title(section), name, told(section, some["base"], some["value"]), cells)


def title(section: str) -> str:
    """A section's name for people."""
    layout = PARTS.get(section)
    return layout.title if layout else section.replace("_", " ").capitalize()


def told(section: str, value: Any, beside: Any = None) -> str:
    """A value in few words; `beside` is what it is compared with."""
    if value is None:
        return NOTHING
    if section in ("outputs", "model_files"):
        return f"{value['size']:,} bytes, sha256:{value['sha256'][:12]}…"
    if section == "inputs" and not (beside and beside["digest"] == value["digest"]):
        return f"digest {value['digest']}"
    text = plain(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text):,} characters)"


def change(one: Mapping[str, Any]) -> str:
    """One difference in a line: `labelling: v1 → v2`."""
    before = told(one["section"], one["base"], one["value"])
    after = told(one["section"], one["value"], one["base"])
    return f"{one['name']}: {before} → {after}"


def seldom(one: Mapping[str, Any]) -> bool:
    """Whether a change is one that the runs before did not all make as well."""
    steps: int = one["steps_before"]
    return steps == 0 or one["changed_before"] < steps


def off(difference: str | None, relative: str | None) -> str:
    """How far a value is from another, in six digits, and as a percentage: `+0.05 (+12 %)`."""
    if difference is None:
        return ""
    told = _signed(Decimal(difference), 6)
    return told if relative is None else f"{told} ({_signed(Decimal(relative) * 100, 3)} %)"


def _signed(value: Decimal, digits: int) -> str:
    text = shown(Context(prec=digits).create_decimal(value)) or ""
    return text if value < 0 else f"+{text}"


def gaps(found: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Of a comparison what cannot be compared: section, whose, why."""
    lines = []
    for one in found["gaps"]:
        names = (found["base"]["subject"], found["others"][one["other"] - 1]["subject"])
        for name, why in zip(names, (one["base"], one["value"]), strict=True):
            if why:
                lines.append((title(one["section"]), name, why))
    return list(dict.fromkeys(lines))


def bars(values: Sequence[float], width: int = 16) -> list[str]:
    """Each value as a bar between the least and the greatest; NaN has none."""
    known = [one for one in values if not math.isnan(one)]
    low, high = min(known, default=0.0), max(known, default=0.0)
    reach = (high - low) or 1.0
    return ["" if math.isnan(one) else _bar((one - low) / reach, width) for one in values]


def _bar(part: float, width: int) -> str:
    eighths = max(1, round(part * width * 8))
    return "█" * (eighths // 8) + (_EIGHTHS[eighths % 8] if eighths % 8 else "")


def _cell(item: Mapping[str, Any] | None) -> Cell:
    if item is None:
        return Cell(SAME)
    text = told(item["section"], item["value"], item["base"])
    return Cell(text, "; ".join(_notes(item)), BETTER.get(item["verdict"] or "", ""))


def _notes(item: Mapping[str, Any]) -> Iterator[str]:
    if item["delta"] is not None:
        yield off(item["delta"], item["relative"])
    if item["verdict"]:
        yield item["verdict"]
    elif item["kind"] == "unknown":
        yield "not known"


__all__ = [
    "WORDS",
    "Cell",
    "Line",
    "bars",
    "change",
    "gaps",
    "matrix",
    "off",
    "seldom",
    "title",
    "told",
]
