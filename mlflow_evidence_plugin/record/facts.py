"""The smallest parts of a record: a fact with its basis, and a section of facts."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

CLAIMED, OBSERVED = "claimed", "observed"
"""Somebody said so (a tag, a parameter, a metric); or we read or hashed it ourselves."""

RUN, STORE, SERVICE = "run", "tracking store", "evidence service"
"""Who asserts a fact: the training code, MLflow's store, or us."""

NO_SIGNATURE = "none"
"""Of a model whose own file says so; where that is not known there is no such fact."""

Section = dict[str, Any]


def fact(value: Any, basis: str, by: str) -> dict[str, Any]:
    """A value, how it is known, and who says so."""
    return {"basis": basis, "by": by, "value": value}


def section(values: Mapping[str, Any], basis: str, by: str, otherwise: str) -> Section:
    """Facts with one basis; an absent section with the reason `otherwise` if there are none."""
    if not values:
        return absent(otherwise)
    return {"facts": {key: fact(value, basis, by) for key, value in values.items()}}


def absent(reason: str) -> Section:
    """What is not there is said, with the reason."""
    return {"absent": reason}


def number(value: float) -> str:
    """A double as text that reads back as the same double; `NaN`, `Infinity`, `-Infinity`."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return repr(float(value))


def whole(value: int) -> int | str:
    """An integer; as text beyond 2^53, where JSON readers start to disagree."""
    return value if abs(value) < 2**53 else str(value)


def moment(milliseconds: int) -> str:
    """Milliseconds since the epoch as RFC 3339 in UTC; as `<n> ms` outside the calendar."""
    try:
        at = datetime.fromtimestamp(milliseconds // 1000, tz=timezone.utc)
    except (OverflowError, ValueError, OSError):
        return f"{milliseconds} ms"
    return f"{at.replace(tzinfo=None).isoformat(timespec='seconds')}.{milliseconds % 1000:03d}Z"


_TIME = re.compile(r"\d{4}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-6]\d\.\d{3}Z")


def is_time(value: object) -> bool:
    """Whether it is a time as we write them: RFC 3339 in UTC with milliseconds. They sort."""
    return isinstance(value, str) and _TIME.fullmatch(value) is not None
