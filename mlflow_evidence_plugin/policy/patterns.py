"""Regular expressions that end: a maintained engine whose time grows with the text only.

It is that of the CEL library, so that a policy needs no second one.
"""

from __future__ import annotations

from functools import lru_cache
from types import ModuleType
from typing import Any

from ..errors import BadPolicy, NotInstalled

PATTERN, TEXT = 200, 10_000
"""Characters of a regular expression, and of a text that one is held against."""


def matches(value: str, pattern: str) -> bool:
    """Whether the whole of a text fits a pattern, in time that grows with its length only."""
    if len(value) > TEXT:
        return False
    try:
        found = _fits().execute({"value": value, "pattern": f"^(?:{pattern})$"})
    except (RuntimeError, ValueError):
        return False
    return found is True


def check_pattern(pattern: str) -> None:
    """BadPolicy for what is no regular expression, or one too long, or too large."""
    if len(pattern) > PATTERN:
        raise BadPolicy(f"the pattern has {len(pattern)} characters; {PATTERN} are allowed")
    for one in (pattern, f"^(?:{pattern})$"):  # by itself too: `a)|(b` would close our bracket
        try:
            _fits().execute({"value": "", "pattern": one})
        except (RuntimeError, ValueError) as error:
            said = " ".join(str(error).split())[:200]
            raise BadPolicy(f"the pattern {pattern!r} is none: {said}") from None


@lru_cache(maxsize=1)
def _fits() -> Any:
    return library().compile("value.matches(pattern)")


def library() -> ModuleType:
    """The CEL library, loaded where a policy needs it. NotInstalled."""
    try:
        import cel
    except ImportError as error:
        mend = "pip install 'mlflow-evidence-plugin[verify]', on Python 3.11 or newer"
        said = "for expressions and patterns in a policy, cel is missing"
        raise NotInstalled(said, mend) from error
    return cel
