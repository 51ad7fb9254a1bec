"""Explain a policy: what it would have blocked of all that was captured. Nothing is decided.

Each piece of evidence of a model version is judged as of when it was captured. What only that
moment knew, such as who held an alias, is not guessed: a rule that asks for it is untold.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import BadInput, BadPolicy, EvidenceError
from ..policy import PREVIOUS, PREVIOUS_GAP, RULES, Baseline, Case, Environment, RuleSpec, parse
from ..record import Record, Subject, read_kept
from ..storage import Bundles, Principal
from ..storage.bodies import Asked, Bodies, Body

PATIENCE = 5.0
"""Seconds after which a page ends where it is."""

PASSED, BLOCKED, UNDECIDED = "passed", "blocked", "undecided"


@dataclass(frozen=True)
class DryRun:
    """Which of a policy's environments, over which evidence, and a page of it."""

    environment: str | None = None
    evidence: Asked = field(default_factory=Asked)
    cursor: str | None = None
    limit: int = 500


@dataclass
class Count:
    """How often a rule passed, failed, or could not be told."""

    spec: RuleSpec
    passed: int = 0
    failed: int = 0
    untold: int = 0

    def document(self) -> dict[str, Any]:
        """As it is shown."""
        said = {"rule": self.spec.label, "severity": "block" if self.spec.blocks else "warn"}
        return said | {"passed": self.passed, "failed": self.failed, "untold": self.untold}


@dataclass
class Explained:
    """What a page of evidence came to. `items` are those that would have been blocked."""

    policy: str
    environment: str
    rules: list[Count]
    verdicts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys((PASSED, BLOCKED, UNDECIDED), 0)
    )
    items: list[dict[str, Any]] = field(default_factory=list)
    next: str | None = None

    def document(self) -> dict[str, Any]:
        """As it is shown."""
        head = {"policy": self.policy, "environment": self.environment}
        looked = {"looked_at": sum(self.verdicts.values()), **self.verdicts}
        rules = [one.document() for one in self.rules]
        return head | looked | {"rules": rules, "items": self.items, "next": self.next}


def explain(bundles: Bundles, text: bytes, question: DryRun, caller: Principal) -> dict[str, Any]:
    """A page of what the policy in `text` would have blocked. BadInput for what is no policy."""
    try:
        policy = parse(text)
    except BadPolicy as error:
        raise BadInput(error.detail, error.mend) from error
    asked = policy.environment(question.environment)
    bodies = Bodies(bundles.database, bundles.store)
    found, following = bodies.page(question.evidence, caller.view, question.cursor, question.limit)
    explained = Explained(policy.digest, asked.name, [Count(one) for one in asked.rules])
    explained.next = following
    until = time.monotonic() + PATIENCE
    for body in found:
        _judge(explained, body, _case(bundles, body, asked, caller))
        if time.monotonic() > until:
            explained.next = body.cursor
            break
    return explained.document()


def _judge(explained: Explained, body: Body, case: Case) -> None:
    reasons, untold = [], False
    for count in explained.rules:
        spec = count.spec
        if not _told(spec, case):
            count.untold += 1
            untold = untold or spec.blocks
            continue
        outcome = RULES[spec.name](case, spec.options)
        count.passed += outcome.passed
        count.failed += not outcome.passed
        if spec.blocks and not outcome.passed:
            said = {"found": outcome.found, "asked": outcome.asked, "mend": outcome.mend}
            reasons.append({"code": spec.name, **said})
    verdict = BLOCKED if reasons else UNDECIDED if untold else PASSED
    explained.verdicts[verdict] += 1
    if reasons:
        about = {"digest": body.digest, "subject": body.subject, "captured_at": body.captured_at}
        explained.items.append({**about, "reasons": reasons})


def _told(spec: RuleSpec, case: Case) -> bool:
    """Whether all that a rule asks for is known of the past."""
    needs = spec.needs
    elsewhere = needs.approvals or needs.attestations or needs.earlier or needs.targets
    return not elsewhere and all(key in case.baselines for key in needs.baselines)


def _case(bundles: Bundles, body: Body, asked: Environment, caller: Principal) -> Case:
    record, at = read_kept(body.data), body.captured_at
    baselines = dict(_baselines(bundles, record, asked.needs.baselines, caller))
    return Case(record, baselines, at=at, captured_at=at)


def _baselines(
    bundles: Bundles, record: Record, keys: Sequence[str], caller: Principal
) -> Iterator[tuple[str, Baseline]]:
    for key in keys:
        if key == PREVIOUS and not record.value("lineage", "previous_version"):
            if record.unread(PREVIOUS_GAP) is None:
                yield key, Baseline()
            continue
        try:
            found = _baseline(bundles, record, key)
        except EvidenceError:  # there is none any more, or it was never captured
            continue
        if found is None or found.subject.model != record.subject.model:
            continue
        # The policy is the caller's own: it could ask for any metric of what it may not see.
        if caller.sees(found.subject.model, found.experiment):
            yield key, Baseline(found.subject.version, found)


def _baseline(bundles: Bundles, record: Record, key: str) -> Record | None:
    if key == PREVIOUS:
        version = record.value("lineage", "previous_version")
        before = Subject("", model=record.subject.model, version=version)
        found = bundles.latest(before.name).record()
        return found if found.made_at(record.value("lineage", "previous_created")) else None
    return bundles.get(key).record() if key.startswith("sha256:") else None


__all__ = ["Asked", "DryRun", "explain"]
