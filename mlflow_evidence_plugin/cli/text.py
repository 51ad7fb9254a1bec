"""Text from strangers, and documents in `az`'s forms: pure, so that every corner can be tested.

Names and values come from whoever may write a tag: none of them may steer the terminal, or make
one row look like two.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Row = Sequence[str]


def printable(text: str, keep: str = "") -> str:
    """The text with everything that cannot be shown as an escape; backslashes stay single."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else repr(c)[1:-1] for c in text)


def escaped(document: Any) -> Any:
    """A document with each of its strings printable: what is broken into lines later is ours."""
    if isinstance(document, str):
        return printable(document)
    if isinstance(document, list):
        return [escaped(one) for one in document]
    if isinstance(document, dict):
        return type(document)((printable(str(k)), escaped(v)) for k, v in document.items())
    return document


def json_text(document: Any) -> str:
    """JSON, with nothing in it that a terminal would obey: only strings hold such characters."""
    text = json.dumps(document, indent=2, ensure_ascii=False)
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


def tsv_lines(document: Any) -> Iterator[str]:
    """`az`'s tsv: an item a line, its values in the order of their keys, or as a query named them.

    A list within an item is its length, an object within an item is empty, a null is `None`.
    """
    if document is None:
        return
    for item in document if isinstance(document, list) else [document]:
        if isinstance(item, dict):
            named = isinstance(item, OrderedDict)
            yield "\t".join(_value(v) for _, v in (item.items() if named else sorted(item.items())))
        elif isinstance(item, list):
            yield "\t".join(map(_value, item))
        else:
            yield str(item).lower() if isinstance(item, bool) else _value(item)


def _value(value: Any) -> str:
    if isinstance(value, list):
        return str(len(value))
    return "" if isinstance(value, dict) else printable(str(value))


def columns(document: Any) -> tuple[Row, list[Row]]:
    """Header and rows of whatever a query found, as `az` draws them: nested values are left out."""
    items = document if isinstance(document, list) else [document]
    entries = [_entry(item) for item in items if item is not None]
    header = list(dict.fromkeys(name for entry in entries for name in entry))
    return header, [[entry.get(name, "") for name in header] for entry in entries]


def _entry(item: Any) -> dict[str, str]:
    if isinstance(item, dict):
        flat = {k: v for k, v in item.items() if v is not None and not isinstance(v, (list, dict))}
        return {k[:1].upper() + k[1:]: str(v) for k, v in flat.items()}
    if isinstance(item, list):
        return {f"Column{number}": cell(value) for number, value in enumerate(item, 1)}
    return {"Result": str(item)}


def pairs(document: Mapping[str, Any]) -> list[Row]:
    """One document as rows of label and value; a value within another as `outer.inner`."""
    return list(_pairs(document, ""))


def _pairs(document: Mapping[str, Any], before: str) -> Iterator[Row]:
    for name, value in document.items():
        if isinstance(value, dict):
            yield from _pairs(value, f"{before}{name}.")
        else:
            yield before + name, cell(value)


def cell(value: Any) -> str:
    """A value in a table for people: nothing is empty, a list is its items."""
    if isinstance(value, list):
        return " ".join(map(cell, value))
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return "" if value is None else str(value)
