"""What of a record an expression sees: plain parts by name, and how large each is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

from ..record import Record
from .patterns import library

ITEMS = 1_000
"""Entries of one part of a record, at the most, for an expression that looks at it."""

PARTS = {
    "params": "parameters",
    "metrics": "metrics",
    "tags": "tags",
    "governance": "governance",
    "run": "run",
    "version": "version",
    "inputs": "inputs",
    "outputs": "outputs",
    "files": "model_files",
    "code": "code",
    "environment": "environment",
    "compute": "compute",
    "cost": "cost",
    "findings": "findings",
    "gaps": "gaps",
}
"""What an expression may name, and the section of the record that it is."""

LISTS = ("inputs", "findings", "gaps")
"""The parts that are lists; the others go by name."""

KEYS = "keys_of_"
"""What the list of a part's names is called: maps of the library have no order that stays."""


class Size(NamedTuple):
    """The longest list or map within a value, how much there is to look at, the longest text."""

    items: int
    weight: int
    text: int


@dataclass(frozen=True)
class _Named:
    """A record, remembered by its digest."""

    digest: str
    record: Record = field(compare=False, repr=False)


@dataclass(frozen=True)
class Document:
    """The parts, as a context of the library, and how large each is."""

    context: Any
    sizes: Mapping[str, Size]


def seen(record: Record) -> Document:
    """A record as the library sees it; remembered, since many rules look at the same one."""
    return _document(_Named(record.digest, record))


@lru_cache(maxsize=2)
def _document(of: _Named) -> Document:
    parts = {name: part(of.record, name) for name in PARTS}
    sizes = {name: _size(one) for name, one in parts.items()}
    known = {name: one for name, one in parts.items() if sizes[name].items <= ITEMS}
    known |= {KEYS + name: sorted(one) for name, one in known.items() if name not in LISTS}
    return Document(library().Context(variables=known), sizes)


def part(record: Record, name: str) -> Any:
    """A part of the record, plain: metrics as doubles, the finite ones only."""
    if name == "gaps":
        return record.document.get("gaps", [])
    values = record.values(PARTS[name])
    if name == "metrics":
        doubles = {key: float(one["value"]) for key, one in values.items()}
        return {key: one for key, one in doubles.items() if math.isfinite(one)}
    if name == "inputs":
        return list(values.values())
    if name == "findings":
        return values.get("secrets", [])
    return values


def _size(value: Any) -> Size:
    items, weight, text = 0, 1, 0
    within: Iterable[Any] = (value,)
    if isinstance(value, dict):
        items, within = len(value), chain(value, value.values())
    elif isinstance(value, list):
        items, within = len(value), value
    for one in within:
        if isinstance(one, str):
            weight += 1 + (len(one) >> 6)
            text = max(text, len(one))
        elif isinstance(one, dict | list):
            more = _size(one)
            items, text = max(items, more.items), max(text, more.text)
            weight += more.weight
        else:
            weight += 1
    return Size(items, weight, text)
