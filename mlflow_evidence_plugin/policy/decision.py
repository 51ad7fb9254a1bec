"""A policy's verdict on a subject for one environment: the one document that answers everybody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from ..errors import BadPolicy
from ..record import Record, Subject, canonical, digest_of
from .case import Case
from .model import Environment, Policy
from .rules import RULES

Reason = dict[str, str]

ANSWER = (
    "allowed",
    "status",
    "result",
    "state",
    "reasons",
    "warnings",
    "store",
    "subject",
    "resolved_at",
    "environment",
    "record",
    "release",
    "decision",
    "policy",
    "evaluated_at",
    "expires_at",
    "details_url",
    "baselines",
)
"""The members of an answer. Some consumers match on its text: never reorder, only add."""


@dataclass(frozen=True)
class Decision:
    """A verdict. `record` and `release` are None where there is no evidence to judge."""

    subject: Subject
    environment: str
    status: str
    reasons: tuple[Reason, ...]
    warnings: tuple[Reason, ...]
    policy: str
    evaluated_at: str
    expires_at: str
    record: str | None = None
    release: str | None = None
    baselines: tuple[tuple[str, str], ...] = ()

    @property
    def allowed(self) -> bool:
        """Whether the release may go on."""
        return self.status == "passed"

    def document(self) -> dict[str, Any]:
        """The verdict as it is kept: what its digest is made of."""
        return {
            "allowed": self.allowed,
            "status": self.status,
            "result": "succeeded" if self.allowed else "failed",
            "state": "approved" if self.allowed else "rejected",
            "reasons": list(self.reasons),
            "warnings": list(self.warnings),
            "store": self.subject.store,
            "subject": self.subject.name,
            "environment": self.environment,
            "record": self.record,
            "release": self.release,
            "policy": self.policy,
            "evaluated_at": self.evaluated_at,
            "expires_at": self.expires_at,
            "baselines": dict(self.baselines),
        }

    def answer(self, resolved_at: str, details_url: str | None) -> dict[str, Any]:
        """The document that consumers get: flat, and always in this order.

        `resolved_at` is when the subject was looked up; `details_url` leads to the evidence.
        """
        known = self.document() | {"resolved_at": resolved_at, "details_url": details_url}
        known["decision"] = self.digest
        return {key: known[key] for key in ANSWER}

    @property
    def digest(self) -> str:
        """Names the verdict: the digest of its canonical document."""
        return digest_of(canonical(self.document()))


def evaluate(policy: Policy, environment: Environment, case: Case, now: datetime) -> Decision:
    """Judge a case by every rule of the environment; each rule that fails is a reason."""
    if not environment.rules:
        raise BadPolicy(f"environment {environment.name} has no rules: nothing was asked")
    reasons: list[Reason] = []
    warnings: list[Reason] = []
    for spec in environment.rules:
        outcome = RULES[spec.name](case, spec.options)
        if not outcome.passed:
            reason = {"code": spec.name, "found": outcome.found, "asked": outcome.asked}
            (reasons if spec.blocks else warnings).append(reason | {"mend": outcome.mend})
    return Decision(
        case.record.subject,
        environment.name,
        "failed" if reasons else "passed",
        tuple(reasons),
        tuple(warnings),
        policy.digest,
        rfc3339(now),
        rfc3339(now + timedelta(hours=environment.valid_hours)),
        case.record.digest,
        case.record.release,
        _digests(case),
    )


def denial(
    policy: str,
    environment: str,
    subject: Subject,
    status: str,
    reasons: Sequence[Reason],
    now: datetime,
) -> Decision:
    """A verdict without evidence: `pending` while it is awaited, `failed` when it cannot come."""
    at = rfc3339(now)
    return Decision(subject, environment, status, tuple(reasons), (), policy, at, at)


def refuse(decision: Decision, reason: Reason) -> Decision:
    """The same verdict, denied for one more reason."""
    return replace(decision, status="failed", reasons=(*decision.reasons, reason))


def read_decision(document: Mapping[str, Any], subject: Subject) -> Decision:
    """A stored verdict, back from its document."""
    return Decision(
        subject,
        document["environment"],
        document["status"],
        tuple(document["reasons"]),
        tuple(document["warnings"]),
        document["policy"],
        document["evaluated_at"],
        document["expires_at"],
        document["record"],
        document["release"],
        tuple(sorted(document["baselines"].items())),
    )


def rfc3339(at: datetime) -> str:
    """UTC with milliseconds and `Z`."""
    return at.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def _digests(case: Case) -> tuple[tuple[str, str], ...]:
    """The baseline by alias, as the digest of its record, so that the verdict can be re-derived."""
    return tuple(
        (alias, b.record.digest if b.record else b.problem or f"version {b.version}: unknown")
        for alias, b in sorted(case.baselines.items())
    )


def baselines_of(baselines: Mapping[str, Any], record: Record) -> tuple[tuple[str, str], ...]:
    """The same list for baselines that were just looked up, to tell whether one has moved."""
    return _digests(Case(record, baselines))
