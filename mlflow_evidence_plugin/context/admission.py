"""Whether a value may become a tag: every store takes it, and it gives no secret away."""

from __future__ import annotations

from ..tags import VALUE_MAX, unstorable
from .notices import Problem
from .secrecy import looks_secret


def refusal(name: str, value: object, origin: str = "") -> Problem | None:
    """Why the value is left out as a whole, or None. `origin` is where it can be mended."""
    where = f" in {origin}" if origin else ""
    if reason := unstorable(name, value):
        mend = f"Give it as one line of at most {VALUE_MAX} characters{where}"
        return Problem(name, f"left out: {reason}", mend)
    # Behind the check of the length: the patterns are slow on very long text.
    if looks_secret(str(value)):
        return Problem(name, "left out: looks like a credential", f"Take it out{where}")
    return None
