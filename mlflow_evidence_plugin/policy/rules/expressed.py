"""Any other rule: a CEL expression over the record."""

from __future__ import annotations

from collections.abc import Iterator

from ...record import Record
from ..case import Case
from ..cel import compiled, holds
from ..seen import PARTS
from .outcome import Options, Outcome, listed, short


def expression(case: Case, options: Options) -> Outcome:
    """The expression must be true. What cannot be told is not: see `policy.cel` for its bounds."""
    said = options["expression"]
    passed, found = holds(said, case.record)
    if not passed and (looked := list(_looked_at(said, case.record))):
        found += f" ({listed(looked)})"
    mend = options.get("mend", "see which facts of the record the expression asks for")
    return Outcome(passed, found, options.get("message", said), mend)


def _looked_at(said: str, record: Record) -> Iterator[str]:
    """The facts that it names one by one, and the value of each."""
    for part, name in compiled(said).named:
        value = record.value(PARTS[part], name)
        if part == "metrics" and value is not None:
            value = value["value"]
        if value is None:
            yield f"no {part}.{name}"
        elif isinstance(value, str | int):
            yield f"{part}.{name} {short(str(value))}"
