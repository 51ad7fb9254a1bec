"""Decide: a record and what stands beside it, by a policy, into a verdict: signed and kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from ..collect import MlflowStore
from ..errors import EvidenceError, NoPolicy, NotFound
from ..policy import Baseline, Case, Decision, Environment, Policy, evaluate
from ..policy.decision import baselines_of, read_decision, rfc3339
from ..record import Record, Subject
from ..record.facts import moment
from ..statements import TEST_RESULT, VSA
from ..statements.decision import test_result_statement, verification_summary
from ..storage import Bundles, Decisions, Statements, StoredBundle
from .issuing import Issuing


@dataclass(frozen=True)
class Deciding:
    """Everything that a verdict is made from. Without a policy nothing is allowed."""

    store: MlflowStore
    bundles: Bundles
    decisions: Decisions
    statements: Statements
    issuing: Issuing
    policy: Policy | None
    now: Callable[[], datetime]

    def asked(self, environment: str | None) -> tuple[Policy, Environment]:
        """The policy, and what it asks of an environment; NoPolicy, or BadInput."""
        if self.policy is None:
            raise NoPolicy("no policy is configured", "set EVIDENCE_SERVICE_POLICY_FILE")
        return self.policy, self.policy.environment(environment)

    def judge(self, policy: Policy, asked: Environment, stored: StoredBundle) -> Decision:
        """The verdict on a bundle: the last one while nothing has changed, else a new one."""
        record = stored.record()
        baselines = {
            alias: self._baseline(record.subject.model or "", alias)
            for alias in asked.baseline_aliases
        }
        last = self.decisions.latest(record.subject.name, asked.name)
        now = self.now()
        if last is not None:
            known = read_decision(last, record.subject)
            same = (known.record, known.policy, known.baselines) == (
                record.digest,
                policy.digest,
                baselines_of(baselines, record),
            )
            if same and known.expires_at > rfc3339(now):
                return known
        decision = evaluate(policy, asked, Case(record, baselines), now)
        self.decisions.add(decision, policy, self._stated(record, decision, policy))
        return decision

    def _stated(self, record: Record, decision: Decision, policy: Policy) -> dict[str, bytes]:
        """The verdict as signed statements; the summary names all that it was made from."""
        tested = test_result_statement(record, decision, policy)
        made = self.issuing.sign({TEST_RESULT: tested})
        inputs = self.statements.inputs(record.digest, made)
        summary = verification_summary(record, decision, inputs)
        return made | self.issuing.sign({VSA: summary})

    def _baseline(self, model: str, alias: str) -> Baseline:
        try:
            version, created = self.store.holder(model, alias)
        except NotFound:
            return Baseline()
        except EvidenceError as error:
            return Baseline(problem=error.detail)
        try:
            name = Subject("", model=model, version=version).name
            record = self.bundles.latest(name).record()
        except NotFound:
            return Baseline(version)
        return Baseline(version, record if made_then(record, created) else None)


def made_then(record: Record, created: int) -> bool:
    """Whether the evidence is of the version that was made then, and not of an earlier namesake."""
    return not created or record.value("version", "created") == moment(created)
