"""Whether a value may become a tag: every store takes it, and it gives no secret away."""

from __future__ import annotations

from collections.abc import Mapping

from ..tags import VALUE_MAX, unstorable
from .notices import Problem
from .secrecy import looks_secret, tells


def refusal(
    name: str, value: object, origin: str = "", env: Mapping[str, str] | None = None
) -> Problem | None:
    """Why the value is left out as a whole, or None. `origin` is where it can be mended.

    `env` are the variables of which some may hold a credential.
    """
    where = f" in {origin}" if origin else ""
    if reason := unstorable(name, value):
        mend = f"Give it as one line of at most {VALUE_MAX} characters{where}"
        return Problem(name, f"left out: {reason}", mend)
    # Behind the check of the length: the patterns are slow on very long text.
    if looks_secret(str(value)) or tells(str(value), env or {}):
        return Problem(name, "left out: looks like a credential", f"Take it out{where}")
    return None
