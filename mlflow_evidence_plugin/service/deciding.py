"""Decide: a record and what stands beside it, by a policy, into a verdict: signed and kept.

A verdict is made when something that it rests on changes, and read in one row when it is asked for.
What lives in MLflow (who holds an alias) and in other subjects' evidence is looked at anew every
fifteen seconds at the most, while somebody asks, or at once for who insists on it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from ..errors import EvidenceError, NoPolicy, NotFound, StillChanging
from ..policy import Case, Decision, Environment, Policy, evaluate
from ..policy.decision import read_decision, rfc3339
from ..record import Record, Subject
from ..record.canonical import loads
from ..statements import TEST_RESULT, VSA
from ..statements.decision import test_result_statement, verification_summary
from ..storage import Decisions, Said, Stands, StoredBundle
from .gathering import Gathering

log = logging.getLogger(__name__)

SETTLED = timedelta(seconds=15)
"""For which a verdict stands without another look at what may change elsewhere."""

TRIES = 5
"""How often a verdict is begun again because something changed while it was made."""


@dataclass(frozen=True)
class Deciding:
    """Everything that a verdict is made from. Without a policy nothing is allowed."""

    gathering: Gathering
    decisions: Decisions
    policy: Policy | None
    now: Callable[[], datetime]

    def asked(self, environment: str | None) -> tuple[Policy, Environment]:
        """The policy, and what it asks of an environment; NoPolicy, or NotFound."""
        if self.policy is None:
            raise NoPolicy("no policy is configured", "set EVIDENCE_SERVICE_POLICY_FILE")
        return self.policy, self.policy.environment(environment)

    def standing(self, subject: Subject, policy: Policy, asked: Environment) -> Stands | None:
        """The verdict that may be answered as it stands; None where it is to be judged anew."""
        found = self.gathering.standing.read(subject.name, asked.name, remembered=True)
        now = self.now()
        if found is None or found.checked_at is None or found.expires_at <= rfc3339(now):
            return None
        if found.policy_digest != policy.digest:
            return None
        settled = not asked.needs.elsewhere or found.checked_at > rfc3339(now - SETTLED)
        return found if settled else None

    def judge(self, policy: Policy, asked: Environment, stored: StoredBundle) -> Decision:
        """The verdict on a bundle: the last one while nothing has changed, else a new one.

        It is on the subject's newest evidence, if that came meanwhile; NotFound if it was erased.
        StillChanging where what it rests on does not hold still.
        """
        record = stored.record()
        for _ in range(TRIES):
            case, said = self.gathering.case(record, policy, asked)
            # After the leaves were counted: what comes later still is found out when it is kept.
            newest = self.gathering.bundles.latest(record.subject.name)
            if newest.digest != record.digest:
                record = newest.record()
                continue
            made = evaluate(policy, asked, case, self.now())
            known = self._known(made, said)
            if known is not None:
                return known
            if self._moved(case, policy, asked):
                continue
            if self._kept(made, policy, record, said):
                return made
        raise StillChanging(
            f"what the verdict on {record.subject.name} rests on changed {TRIES} times meanwhile",
            "ask again",
        )

    def settle(self, subject: str) -> None:
        """Judge a subject in every environment, because something about it has changed.

        What cannot be judged now is judged when it is asked for; the log says why.
        """
        if self.policy is None or not subject.startswith("models/"):
            return
        for environment in self.policy.environments.values():
            try:
                self.judge(self.policy, environment, self.gathering.bundles.latest(subject))
            except NotFound:
                return
            except EvidenceError as error:
                log.warning("no verdict on %s for %s: %s", subject, environment.name, error.detail)
            except Exception:  # our own mistake: other environments and subjects need not wait
                log.exception("no verdict on %s for %s", subject, environment.name)

    def catch_up(self, limit: int = 100) -> None:
        """Settle what nobody has settled since it changed."""
        asked = self.policy.environments if self.policy else ()
        for subject in self.gathering.standing.unsettled(asked, limit):
            self.settle(subject)

    def _known(self, made: Decision, said: Said) -> Decision | None:
        """The verdict that stands, if this one would say the same; it was then looked at now."""
        subject = made.subject
        stands = self.gathering.standing.read(subject.name, made.environment)
        if stands is None or stands.expires_at <= made.evaluated_at:
            return None
        known = verdict_of(stands, subject)
        if _gist(known) != _gist(made) or known.evaluated_at > made.evaluated_at:
            return None
        if made.expires_at < known.expires_at:
            return None  # what it rests on ends sooner than it did
        return known if self.decisions.checked(made, said.leaves) else None

    def _moved(self, case: Case, policy: Policy, asked: Environment) -> bool:
        """Whether an alias was moved while we judged: nothing else tells of that."""
        if not asked.needs.elsewhere:
            return False
        again, _ = self.gathering.case(case.record, policy, asked)
        return (again.baselines, again.targets) != (case.baselines, case.targets)

    def _kept(self, made: Decision, policy: Policy, record: Record, said: Said) -> bool:
        """Keep the verdict as signed statements; the summary names all that it was made from."""
        issuing = self.gathering.issuing
        tested = issuing.sign({TEST_RESULT: test_result_statement(record, made, policy)})
        beside = made.beside or {}
        named = {*beside.get("approvals", ()), *beside.get("waivers", ())}
        named |= {one["statement"] for one in beside.get("attestations", ())}
        inputs = set(self.gathering.statements.inputs(record.digest, tested))
        inputs |= {(one.kind, one.digest) for one in said.entries if one.digest in named}
        summary = verification_summary(record, made, sorted(inputs))
        envelopes = tested | issuing.sign({VSA: summary})
        return self.decisions.add(made, policy, envelopes, record.experiment, said.leaves)


@lru_cache(1024)
def verdict_of(stands: Stands, subject: Subject) -> Decision:
    """The verdict that stands."""
    return read_decision(loads(stands.body), subject)


def _gist(of: Decision) -> tuple[object, ...]:
    """What a verdict says, without when, and without words that change as time goes by.

    Nor which verdict on the way back it saw: two versions that are each other's would never rest.
    """
    codes = [sorted(r["code"] for r in some) for some in (of.reasons, of.warnings, of.waived)]
    beside = dict(of.beside or {})
    targets = [
        (key, one["version"], one["status"], bool(one.get("passed_at")))
        for key, one in beside.pop("targets", {}).items()
    ]
    return of.status, of.record, of.policy, of.baselines, beside, sorted(targets), codes


__all__ = ["SETTLED", "Deciding", "verdict_of"]
