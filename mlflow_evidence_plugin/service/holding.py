"""One line of the inventory: whose a subject is, what it cost, and what it lacks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from ..approval import APPROVED, REJECTED
from ..collect import Listed
from ..policy import Case
from ..policy.decision import rfc3339
from ..policy.duties import IN_FORCE
from ..policy.rules import RULES
from ..record import Record
from ..record.facts import moment
from ..scan import masked
from ..snapshot import RunSnapshot, VersionSnapshot
from ..storage import Held
from ..tags import GOVERNANCE, PREFIX
from .approving import said_about
from .deciding import Deciding

NAMES = ("owner", "team", "cost_center", "ticket", "rollback", "monitoring")
LACKS = (
    "evidence",
    "owner",
    "cost_center",
    "ticket",
    "rollback",
    "monitoring",
    "metrics",
    "approval",
    "fresh",
)
"""What a subject may lack; `approval` is asked of model versions alone."""

OLD, CHANGED = "old", "changed"


@dataclass(frozen=True)
class Found:
    """A subject: as the store lists it, its source run as it is now, and its newest evidence.

    Either side may be missing; `run` is the subject itself where that is a run.
    """

    listed: Listed | None
    run: RunSnapshot | None
    held: Held | None
    record: Record | None


@dataclass(frozen=True)
class Holding:
    """What a line is made from."""

    deciding: Deciding
    days: int
    environment: str | None

    def line(self, found: Found) -> dict[str, Any]:
        """The line. What only evidence knows is None without it."""
        record, held = found.record, found.held
        told = _named(found)
        known = _governance(found)
        told |= {name: known.get(name) for name in NAMES[:4]}
        told |= {
            "digest": record.digest if record else None,
            "captured_at": held.seen_at if held and record else None,
            "verdicts": held.verdicts if held and record else {},
            "approvals": None,
            "artifact_bytes": record.value("cost", "artifact_bytes") if record else None,
            "duration_ms": _duration(found),
            "stale": self._stale(found),
        }
        lacks = set(_lacking(found, known))
        if told["model"]:
            told["approvals"], enough = self._approvals(record)
            lacks |= set() if enough else {"approval"}
        lacks |= {"fresh"} if told["stale"] else set()
        return told | {"lacks": [one for one in LACKS if one in lacks]}

    def _approvals(self, record: Record | None) -> tuple[int, bool]:
        """How many count for the release, and whether they are enough."""
        if record is None:
            return 0, False
        entries = said_about(self.deciding, record)["approvals"]
        counted = [one["decision"] for one in entries if one["state"] == IN_FORCE]
        count = counted.count(APPROVED)
        if self.environment is None:
            return count, count > 0 and REJECTED not in counted
        return count, self._as_asked(record, self.environment)

    def _as_asked(self, record: Record, environment: str) -> bool:
        """Whether they are what the environment's policy asks for."""
        _, asked = self.deciding.asked(environment)
        rules = [one for one in asked.rules if one.name == "approvals"]
        gathering = self.deciding.gathering
        people, _ = gathering.people(gathering.approvals.said(record.subject, others=False))
        case = Case(record, at=rfc3339(self.deciding.now()), approvals=people)
        return all(RULES[one.name](case, one.options).passed for one in rules)

    def _stale(self, found: Found) -> str | None:
        if found.record is None or found.held is None:
            return None
        seen, changed = found.held.seen_at, found.listed.changed if found.listed else None
        if changed and moment(changed) > seen:
            return CHANGED
        oldest = rfc3339(self.deciding.now() - timedelta(days=self.days))
        return OLD if seen < oldest else None


def shown(one: Listed, salt: str) -> Listed:
    """Without what no line tells, and with secrets masked as a capture masks them."""
    if isinstance(one.of, VersionSnapshot):
        bare = replace(one.of, description="", source="", tags={})
        return replace(one, of=masked(bare, salt))
    return replace(one, of=bare_run(one.of, salt))


def bare_run(run: RunSnapshot, salt: str) -> RunSnapshot:
    """The same of a run; of its metrics it is told whether there are any."""
    wanted = {PREFIX + name for name in GOVERNANCE}
    tags = {name: value for name, value in run.tags.items() if name in wanted}
    clean = masked(replace(run, tags=tags, metrics=()), salt)
    assert isinstance(clean, RunSnapshot)  # noqa: S101 - what goes in comes out
    return replace(clean, metrics=run.metrics)


def _named(found: Found) -> dict[str, Any]:
    if found.record is not None:
        subject, run_id = found.record.subject, found.record.run_id
        named = (subject.name, subject.model, subject.version, run_id, found.record.experiment)
    elif found.listed and isinstance(of := found.listed.of, VersionSnapshot):
        experiment = found.run.experiment if found.run else None
        named = (f"models/{of.name}/{of.version}", of.name, of.version, of.run_id, experiment)
    else:
        run = found.run
        run_id = run.run_id if run else None
        named = (f"runs/{run_id}", None, None, run_id, run.experiment if run else None)
    listed = found.listed is not None or None
    return dict(
        zip(("subject", "model", "version", "run_id", "experiment"), named, strict=True)
    ) | {"listed": listed}


def _governance(found: Found) -> Mapping[str, str]:
    if found.record is not None:
        return found.record.values("governance")
    tags = found.run.tags if found.run else {}
    return {name: tags[PREFIX + name] for name in GOVERNANCE if PREFIX + name in tags}


def _lacking(found: Found, known: Mapping[str, str]) -> Iterator[str]:
    if found.record is None:
        yield "evidence"
    yield from (name for name in LACKS if name in NAMES and not known.get(name))
    metrics = found.record.values("metrics") if found.record else found.run and found.run.metrics
    if not metrics:
        yield "metrics"


def _duration(found: Found) -> int | None:
    if found.record is not None:
        value: int | None = found.record.value("cost", "duration_ms")
        return value if isinstance(value, int) else None
    run = found.run
    if run is None or run.start_time is None or run.end_time is None:
        return None
    return max(run.end_time - run.start_time, 0)
