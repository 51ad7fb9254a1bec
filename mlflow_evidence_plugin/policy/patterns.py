"""Regular expressions that end: a maintained engine whose time grows with the text only.

It is that of the CEL library, so that a policy needs no second one.
"""

from __future__ import annotations

import re
from functools import lru_cache
from types import ModuleType
from typing import Any

from ..errors import BadPolicy, NotInstalled

PATTERN, TEXT = 200, 10_000
"""Characters of a regular expression, and of a text that one is held against."""

STATES = 1_000
"""What repetitions may make of a pattern: its time over a text grows with that, too."""

_REPEATED = re.compile(r"\{(\d*)(,?)(\d*)\}")
_ESCAPED = re.compile(r"\\(?:[pPxuU]\{[^}]*\}|.)")
_OPENED = re.compile(r"\((?:\?(?:P?<\w+>|[a-zA-Z-]*:?))?")
_ODD = re.compile(r"\(\?(?:[a-zA-Z-]*x|P?<\w*[^\w>])")
"""The flag x, and names of groups with brackets in them: what stands within would be misread."""


def matches(value: str, pattern: str) -> bool:
    """Whether the whole of a text fits a pattern, in time that grows with its length only."""
    if len(value) > TEXT:
        return False
    try:
        found = _fits().execute({"value": value, "pattern": f"^(?:{pattern})$"})
    except (RuntimeError, ValueError):
        return False
    return found is True


def check_pattern(pattern: str) -> int:
    """How large it is. BadPolicy for what is no regular expression, too long, or too large."""
    if len(pattern) > PATTERN:
        raise BadPolicy(f"the pattern has {len(pattern)} characters; {PATTERN} are allowed")
    for one in (pattern, f"^(?:{pattern})$"):  # by itself too: `a)|(b` would close our bracket
        try:
            _fits().execute({"value": "", "pattern": one})
        except (RuntimeError, ValueError) as error:
            said = " ".join(str(error).split())[:200]
            raise BadPolicy(f"the pattern {pattern!r} is none: {said}") from None
    if _ODD.search(pattern):
        raise BadPolicy(f"the pattern {pattern!r} has the flag x, or a group with an odd name")
    if (size := _states(pattern)) > STATES:
        said = f"the pattern {pattern!r} repeats what is repeated: some {size} states"
        raise BadPolicy(said, f"{STATES} are allowed: leave out the inner or the outer bounds")
    return size


def _states(pattern: str) -> int:
    """About how many states the engine makes of a pattern that it takes."""
    levels, last, place = [0], 0, 0
    while place < len(pattern):
        one, end, made = pattern[place], place + 1, 1
        if found := _REPEATED.match(pattern, place):
            made = last * (_times(found) - 1)
            end, last = found.end(), last + made
            levels[-1] += made
        elif one in "*+?":
            last, levels[-1] = last + 1, levels[-1] + 1  # what is repeated stays what it was
        elif one == "(":
            levels.append(0)
            opened = _OPENED.match(pattern, place)
            end = opened.end() if opened else end
        else:
            if one == ")" and len(levels) > 1:
                made += levels.pop()
            elif one == "[":
                end = _class_end(pattern, place)
            elif escaped := _ESCAPED.match(pattern, place):
                end = escaped.end()
            levels[-1] += made
            last = made
        place = end
    return sum(levels)


def _times(found: re.Match[str]) -> int:
    least, comma, most = found.groups()
    bounds = [int(one) for one in (least, most) if one]
    return max(bounds, default=1) + bool(comma and not most)


def _class_end(pattern: str, place: int) -> int:
    """The place behind a class such as `[^a-z[:digit:]]`; a bracket that comes first is a sign."""
    depth = 0
    while place < len(pattern):
        one, place = pattern[place], place + 1
        if one == "\\":
            place += 1
        elif one == "[":
            depth += 1
            place += pattern[place : place + 1] == "^"
            while pattern[place : place + 1] == "-":
                place += 1
            place += pattern[place : place + 1] == "]"
        elif one == "]":
            depth -= 1
            if not depth:
                break
    return place


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
