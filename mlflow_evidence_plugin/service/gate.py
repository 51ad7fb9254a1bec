"""The gate: may this version be released? What cannot be known denies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from ..errors import Erased, EvidenceError, NotFound, StoreRefused, StoreUnavailable
from ..policy import Decision, denial
from ..policy.decision import read_decision, refuse, rfc3339
from ..record import Subject
from ..record.facts import moment
from ..storage import Principal
from .capture import Capturing
from .deciding import Deciding, verdict_of
from .erasing import Erasing
from .gathering import made_then

ALIAS, STAGE = "alias", "stage"
"""What leads to a version of a model; stages are MLflow's older way."""


@dataclass(frozen=True)
class Resolved:
    """An alias or a stage, the version that held it, and when we looked."""

    kind: str
    name: str
    version: str
    resolved_at: str
    created: int = 0

    @property
    def shown(self) -> dict[str, str]:
        """What a caller is told of it."""
        return {self.kind: self.name, "version": self.version, "resolved_at": self.resolved_at}


@dataclass(frozen=True)
class Gate:
    """What leads from a question to a verdict that the caller may see."""

    capturing: Capturing
    deciding: Deciding
    erasing: Erasing
    now: Callable[[], datetime]

    def resolve(self, model: str, alias: str, caller: Principal, kind: str = ALIAS) -> Resolved:
        """The version that holds an alias now; NotFound before MLflow is asked if it is foreign."""
        if not caller.sees_model(model):
            raise NotFound(f"the tracking store has no model {model}", "check the name")
        store = self.capturing.store
        holder = store.holder if kind == ALIAS else store.stage_holder
        version, created = holder(model, alias)
        return Resolved(kind, alias, version, rfc3339(self.now()), created)

    def verdicts_on(
        self, subject: tuple[str, str], asked: tuple[str | None, int | None, int], caller: Principal
    ) -> tuple[list[Decision], int | None]:
        """The verdicts on a model version, the newest first, and where the next page begins.

        `asked` is an environment or None, where to begin, and how many at the most; NotFound. Of an
        earlier namesake, from an experiment that is not the caller's, nothing is told.
        """
        known = self._named(subject, caller)
        environment, before, limit = asked
        found = self.deciding.decisions.history(known.name, environment, before, limit + 1)
        verdicts = [read_decision(document, known) for _, document in found[:limit]]
        seen = {digest: self._sees(digest, caller) for digest in {one.record for one in verdicts}}
        mine = [one for one in verdicts if seen[one.record]]
        return mine, found[limit - 1][0] if len(found) > limit else None

    def decide(
        self,
        subject: tuple[str, str],
        environment: str | None,
        caller: Principal,
        pinned: tuple[str | None, str | None] = (None, None),
        fresh: bool = False,
    ) -> Decision:
        """The verdict on a model version. What cannot be known denies.

        `pinned` are digests that the caller insists on: of the record, and of the policy. It is the
        verdict that stands, unless `fresh` asks to look at everything anew.
        """
        model, version = subject
        if not caller.sees_model(model):
            raise no_evidence(Subject("", model=model, version=version).name)
        policy, asked = self.deciding.asked(environment)
        named = Subject(self.capturing.store_id, model=model, version=version)
        stands = None if fresh else self.deciding.standing(named, policy, asked)
        if stands is not None:
            if not caller.sees(stands.model, stands.experiment):
                raise no_evidence(named.name)
            return self._pinned(verdict_of(stands, named), pinned)
        try:
            stored = self.capturing.bundles.latest(named.name)
        except NotFound as error:
            if isinstance(error, Erased):
                error = self.erasing.told(error, caller, no_evidence(named.name))
            status, reason = self._awaited(named, error)
            return denial(policy.digest, asked.name, named, status, [reason], self.now())
        if not caller.sees(stored.model, stored.experiment):
            raise no_evidence(named.name)
        return self._pinned(self.deciding.judge(policy, asked, stored), pinned)

    def decide_alias(
        self,
        subject: tuple[str, str],
        environment: str | None,
        caller: Principal,
        pinned: tuple[str | None, str | None] = (None, None),
        kind: str = ALIAS,
        fresh: bool = False,
    ) -> tuple[Decision, str]:
        """The verdict on the version that holds an alias, or a stage, now, and when we looked.

        Where the store is away the alias cannot be resolved, and the verdict is a denial.
        """
        model, alias = subject
        try:
            found = self.resolve(model, alias, caller, kind)
        except (StoreUnavailable, StoreRefused) as error:
            policy, asked = self.deciding.asked(environment)
            unknown = Subject(self.capturing.store_id, model=model, version=f"@{alias}")
            asked_for = f"{kind} {alias} resolved"
            why = _reason("alias-unresolved", error.detail, asked_for, error.mend)
            denied = denial(policy.digest, asked.name, unknown, "failed", [why], self.now())
            return denied, denied.evaluated_at
        decision = self.decide((model, found.version), environment, caller, pinned, fresh)
        if decision.record is not None:
            judged = self.capturing.bundles.get(decision.record).record()
            if not made_then(judged, found.created):
                mend = "capture it: the model was deleted and made again, and counts from 1 anew"
                made = f"evidence of a version made {judged.value('version', 'created')}"
                asked_for = f"of the one made {moment(found.created)}"
                decision = refuse(decision, _reason("another-version", made, asked_for, mend))
        return decision, found.resolved_at

    def _awaited(self, named: Subject, error: NotFound) -> tuple[str, dict[str, str]]:
        """Whether evidence may still come; of a version that the registry has not, it will not."""
        try:
            known = self.capturing.store.knows_version(str(named.model), str(named.version))
        except EvidenceError:
            known = True  # it may be: nobody can say
        if known:
            reason = _reason("no-evidence", error.detail, "captured evidence", error.mend)
            return "pending", reason
        found = f"the tracking store has no version {named.version} of model {named.model}"
        mend = "check the name and the version, and that the model is registered"
        return "failed", _reason("no-such-version", found, "a registered version", mend)

    def _pinned(self, decision: Decision, pinned: tuple[str | None, str | None]) -> Decision:
        for what, want, have in (
            ("digest", pinned[0], decision.record),
            ("policy", pinned[1], decision.policy),
        ):
            if want is not None and want != have:
                mend = f"ask with the {what} that is in force, after looking at what has changed"
                reason = _reason(f"{what}-mismatch", str(have), want, mend)
                decision = refuse(decision, reason)
        return decision

    def _sees(self, record: str | None, caller: Principal) -> bool:
        try:
            found = self.capturing.bundles.get(str(record))
        except NotFound:
            return False
        return caller.sees(found.model, found.experiment)

    def _named(self, asked: tuple[str, str], caller: Principal) -> Subject:
        """The version that is asked about, if there is evidence of it and the caller may see it."""
        model, version = asked
        subject = Subject(self.capturing.store_id, model=model, version=version)
        missing = no_evidence(subject.name)
        if not caller.sees_model(model):
            raise missing
        try:
            found = self.capturing.bundles.latest(subject.name)
        except Erased as error:
            raise self.erasing.told(error, caller, missing) from None
        if not caller.sees(found.model, found.experiment):
            raise missing
        return subject


def no_evidence(subject: str) -> NotFound:
    """The error for what was not captured, or is not the caller's."""
    mend = "capture it: POST /v1/captures, or mlflow-evidence capture"
    return NotFound(f"there is no evidence of {subject}", mend)


def _reason(code: str, found: str, asked: str, mend: str) -> dict[str, str]:
    return {"code": code, "found": found, "asked": asked, "mend": mend}
