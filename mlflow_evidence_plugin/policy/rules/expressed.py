"""Any other rule: a CEL expression over the record."""

from __future__ import annotations

from ..case import Case
from ..cel import holds
from .outcome import Options, Outcome


def expression(case: Case, options: Options) -> Outcome:
    """The expression must be true. What cannot be told is not: see `policy.cel` for its bounds."""
    said = options["expression"]
    passed, found = holds(said, case.record)
    mend = options.get("mend", "see which facts of the record the expression asks for")
    return Outcome(passed, found, options.get("message", said), mend)
