"""A policy's verdict on a subject for one environment: the one document that answers everybody."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from ..approval import Waiver
from ..errors import BadPolicy
from ..record import Record, Subject, canonical, digest_of
from .case import Beside, Case, Needs
from .duties import hand_in
from .model import Environment, Policy, RuleSpec
from .rules import RULES, Outcome

Reason = dict[str, str]
_json = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode

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
    "waived",
)
"""The members of an answer. Some consumers match on its text: never reorder, only add."""

PASSED, WARNED, FAILED = "passed", "warned", "failed"
"""How a rule went; a failure that does not block, or that somebody answers for, is a warning."""


@dataclass(frozen=True)
class Decision:
    """A verdict. `record` and `release` are None where there is no evidence to judge.

    `waived` are failures that somebody answers for: each a reason, and by whom, why and how long.
    `beside` is what was looked up beside record and baselines; None where nothing was.
    `tests` says how each rule went, by its label; of a verdict that was only read back, nothing.
    """

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
    waived: tuple[Reason, ...] = ()
    beside: Beside | None = None
    tests: tuple[tuple[str, str], ...] = field(default=(), compare=False)

    @property
    def allowed(self) -> bool:
        """Whether the release may go on."""
        return self.status == PASSED

    def document(self) -> dict[str, Any]:
        """The verdict as it is kept: what its digest is made of."""
        more = {"waived": list(self.waived), "beside": self.beside}
        return (more if self.beside is not None else {}) | {
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
        known |= {"decision": self.digest, "waived": list(self.waived)}
        return {key: known[key] for key in ANSWER}

    def answer_json(self, resolved_at: str, details_url: str | None) -> str:
        """The same as compact JSON, of which only these two are written anew each time."""
        before, between, after = self._pieces
        return "".join((before, _json(resolved_at), between, _json(details_url), after))

    @cached_property
    def _pieces(self) -> tuple[str, str, str]:
        """An answer's JSON before, between and after what depends on the question."""
        known = self.answer("", None)
        at, url = ANSWER.index("resolved_at") + 1, ANSWER.index("details_url") + 1
        before = _json({name: known[name] for name in ANSWER[:at]}).removesuffix('""}')
        between = _json({name: known[name] for name in ANSWER[at:url]}).removesuffix("null}")
        after = _json({name: known[name] for name in ANSWER[url:]})
        return before, f",{between[1:]}", f",{after[1:]}"

    @cached_property
    def digest(self) -> str:
        """Names the verdict: the digest of its canonical document."""
        return digest_of(canonical(self.document()))


def evaluate(policy: Policy, environment: Environment, case: Case, now: datetime) -> Decision:
    """Judge a case by every rule of the environment; each rule that fails is a reason.

    A verdict holds no longer than what it rests on: an approval, a waiver, the way back.
    """
    if not environment.rules:
        raise BadPolicy(f"environment {environment.name} has no rules: nothing was asked")
    at = rfc3339(now)
    case = replace(case, at=at)
    judged = [_judged(spec, environment, case) for spec in environment.rules]
    used = [one.waiver for one in judged if one.waiver]
    reasons = tuple(one.reason for one in judged if one.went == FAILED)
    warned = tuple(one.reason for one in judged if one.went == WARNED and not one.waiver)
    ends = [rfc3339(now + timedelta(hours=environment.valid_hours))]
    ends += [one.outcome.until for one in judged if one.outcome.until]
    return Decision(
        case.record.subject,
        environment.name,
        FAILED if reasons else PASSED,
        reasons,
        warned,
        policy.digest,
        at,
        min(ends + [one.expires_at for one in used]),
        case.record.digest,
        case.record.release,
        _digests(case),
        tuple(one.reason | _answering(one.waiver) for one in judged if one.waiver),
        beside_of(case, environment.needs, used),
        tuple((one.label, one.went) for one in judged),
    )


@dataclass(frozen=True)
class _Judged:
    """How a rule went, and who answers for it if it failed."""

    code: str
    label: str
    went: str
    outcome: Outcome
    waiver: Waiver | None = None

    @property
    def reason(self) -> Reason:
        told = {"code": self.code, "found": self.outcome.found, "asked": self.outcome.asked}
        return told | {"mend": self.outcome.mend}


def _judged(spec: RuleSpec, environment: Environment, case: Case) -> _Judged:
    outcome = RULES[spec.name](case, spec.options)
    if outcome.passed:
        return _Judged(spec.name, spec.label, PASSED, outcome)
    waiver = waiver_of(spec, environment, case) if spec.blocks else None
    went = FAILED if spec.blocks and waiver is None else WARNED
    return _Judged(spec.name, spec.label, went, outcome, waiver)


def waiver_of(spec: RuleSpec, environment: Environment, case: Case) -> Waiver | None:
    """The newest waiver of a rule, if it holds when the case is judged."""
    about = (spec.label, environment.name, case.record.release)
    known = [
        one
        for one in case.waivers
        if (one.rule, one.environment, one.release) == about and not one.void
    ]
    # As with approvals: an owner may have been named since, whom nobody knew when it was said.
    known = [one for one in known if hand_in(case.record, one.by) is None]
    newest = max(known, key=lambda one: (one.at, one.statement), default=None)
    return newest if newest is not None and newest.at <= case.at < newest.expires_at else None


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
    tests = (*decision.tests, (reason["code"], FAILED)) if decision.tests else ()
    return replace(decision, status=FAILED, reasons=(*decision.reasons, reason), tests=tests)


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
        tuple(document.get("waived", ())),
        document.get("beside"),
    )


def beside_of(case: Case, needs: Needs, used: Sequence[Waiver] = ()) -> Beside | None:
    """What the rules were shown beside record and baselines, and the waivers that counted."""
    told: dict[str, Any] = {}
    if needs.approvals:
        told["approvals"] = [one.statement for one in case.approvals]
    if needs.attestations:
        told["attestations"] = [dict(vars(one)) for one in case.attestations]
    if needs.earlier:
        known = case.earlier
        told["earlier"] = None if known is None else [one.digest for one in known]
    if needs.targets:
        told["targets"] = {key: dict(vars(one)) for key, one in sorted(case.targets.items())}
    if needs.captured_at:
        told["captured_at"] = case.captured_at
    if used:
        told["waivers"] = sorted({one.statement for one in used})
    return told or None


def rfc3339(at: datetime) -> str:
    """UTC with milliseconds and `Z`."""
    return at.isoformat(timespec="milliseconds")[:23] + "Z"


def _answering(waiver: Waiver) -> Reason:
    said = {"by": waiver.by, "reason": waiver.reason, "expires_at": waiver.expires_at}
    return said | {"waiver": waiver.statement}


def _digests(case: Case) -> tuple[tuple[str, str], ...]:
    """The baseline by alias, as the digest of its record, so that the verdict can be re-derived."""
    return tuple(
        (alias, b.record.digest if b.record else b.problem or f"version {b.version}: unknown")
        for alias, b in sorted(case.baselines.items())
    )


def baselines_of(baselines: Mapping[str, Any], record: Record) -> tuple[tuple[str, str], ...]:
    """The same list for baselines that were just looked up, to tell whether one has moved."""
    return _digests(Case(record, baselines))
