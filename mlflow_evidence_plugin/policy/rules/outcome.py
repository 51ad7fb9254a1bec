"""A rule's answer, and what rules share: facts, their basis, times."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from ...record import Record
from ...tags import GOVERNANCE, PREFIX
from ..case import Case

Options = Mapping[str, Any]
Facts = Mapping[str, Mapping[str, Any]]
"""Facts by the name they are shown under, each `{basis, by, value}`."""

BASES = ("claimed", "observed", "attested")
"""How well a fact is known, the weakest first."""

SHOWN = 10
"""Names that a text lists; how many more there are is said."""


@dataclass(frozen=True)
class Outcome:
    """A rule's answer. `until` is when it may be another by the mere course of time."""

    passed: bool
    found: str
    asked: str
    mend: str = ""
    until: str | None = None


Rule = Callable[[Case, Options], Outcome]


def based(outcome: Outcome, facts: Facts, options: Options) -> Outcome:
    """The same, failed where the policy asks for a better basis than the facts have."""
    wanted = options.get("basis")
    if wanted is None:
        return outcome
    weak = [name for name, one in facts.items() if _rank(one.get("basis")) < BASES.index(wanted)]
    outcome = replace(outcome, asked=f"{outcome.asked}, {wanted} at least")
    if not (outcome.passed and weak):
        return outcome
    found = f"{outcome.found}; of a weaker basis: {listed(weak)}"
    mend = "ask for a weaker basis in the policy, or for a rule on what is observed or attested"
    return replace(outcome, passed=False, found=found, mend=mend)


def _rank(basis: Any) -> int:
    return BASES.index(basis) if basis in BASES else -1


def listed(names: Iterable[str]) -> str:
    """Names with commas, the first ones only where there are many."""
    every = [short(name) for name in names]
    more = [f"{len(every) - SHOWN} more"] if len(every) > SHOWN else []
    return ", ".join(every[:SHOWN] + more)


def short(text: str) -> str:
    """A value as it is shown: its beginning, if it is long."""
    return text if len(text) <= 100 else text[:99] + "…"


def tag_fact(record: Record, name: str) -> Mapping[str, Any] | None:
    """The fact of a tag: a governance name (`owner`) or a full tag name.

    A tag of MLflow's that is merely called `ticket` is none: nobody else would take it for one.
    """
    plain = name.removeprefix(PREFIX)
    governance: Mapping[str, Any] | None = record.facts("governance").get(plain)
    if governance or plain in GOVERNANCE:
        return governance
    found: Mapping[str, Any] | None = record.facts("tags").get(name)
    return found


def tag(record: Record, name: str) -> str | None:
    """The value of a tag; None also where there is nothing in it that anybody would see."""
    found = (tag_fact(record, name) or {}).get("value")
    visible = any(one.isprintable() and not one.isspace() for one in found or "")
    return found if visible else None


def metric(record: Record, name: str) -> Decimal | None:
    """A metric's value; None where it is missing or not a finite number."""
    found = record.value("metrics", name)
    value = Decimal(found["value"]) if found else None
    return value if value is not None and value.is_finite() else None


def unknown_metric(record: Record, name: str) -> str:
    """Why a metric has no value."""
    found = record.value("metrics", name)
    return f"{name} is {found['value']}" if found else f"{name} was not logged"


def metric_facts(record: Record, names: Iterable[str]) -> Facts:
    """The facts of metrics."""
    known = record.facts("metrics")
    return {name: known[name] for name in names if name in known}


def instant(text: str | None) -> datetime | None:
    """A time as we write them; None for anything else."""
    if not text or not text.endswith("Z"):
        return None
    try:
        return datetime.fromisoformat(text[:-1] + "+00:00")
    except ValueError:
        return None


def later(since: str | None, hours: int | float | None) -> str | None:
    """So many hours after a time, as we write times; None where either is unknown."""
    then = instant(since)
    if then is None or hours is None:
        return None
    try:
        after = (then + timedelta(hours=hours)).replace(tzinfo=None)
    except OverflowError:  # whoever ends a run may say that it was in the year 9999
        return None
    return after.isoformat(timespec="milliseconds") + "Z"


def age(since: str | None, at: str) -> timedelta | None:
    """How long before `at` a time was; None where either is unknown."""
    then, now = instant(since), instant(at)
    return None if then is None or now is None else now - then


def hours(age: timedelta) -> str:
    """An age for people."""
    return f"{age.total_seconds() / 3600:.1f} hours"
