"""What callers may ask: capture, read, decide. What is not theirs is not there for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from ..approval import Approval, Waiver
from ..errors import Erased, NotFound, StoreRefused, StoreUnavailable
from ..ledger import subject_digest
from ..policy import Decision, denial
from ..policy.decision import read_decision, refuse, rfc3339
from ..record import Subject
from ..record.facts import moment
from ..record.regressions import Question
from ..render.exhibit import Exhibit
from ..signing import Keyring
from ..storage import (
    Attestation,
    Capture,
    Erasure,
    Erasures,
    Filters,
    Page,
    Principal,
    StoredBundle,
    Tokens,
)
from ..verify import Expected, verify_file
from . import comparing, stamping
from .approving import Approving
from .archive import Archiving, Pieces, file_name, zipped
from .capture import CaptureRequest, Capturing
from .deciding import Deciding, verdict_of
from .drift import Drifting
from .enclosing import Enclosing
from .erasing import Erasing
from .explaining import DryRun, explain
from .gathering import made_then
from .ingesting import Ingesting
from .inventory import Inventory
from .issuing import Issuing
from .lineage import RunModels, models_of
from .tickets import Change

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
class Evidence:
    """The service, whole. Without `policy` nothing is allowed, without `write_back` not written."""

    capturing: Capturing
    deciding: Deciding
    ingesting: Ingesting
    tokens: Tokens
    now: Callable[[], datetime]
    write_back: bool = False

    @property
    def issuing(self) -> Issuing:
        """The key, and the log."""
        return self.capturing.issuing

    def caller(self, token: str) -> Principal:
        """Whose token it is; Unauthorized."""
        return self.tokens.authenticate(token, rfc3339(self.now()))

    def capture(
        self, request: CaptureRequest, caller: Principal, key: str | None = None
    ) -> Capture:
        """Take an order to capture; `key` is the caller's idempotency key."""
        return self.capturing.accept(request, caller, key)

    def capture_state(self, capture_id: str, caller: Principal) -> Capture:
        """How an order went; NotFound for somebody else's."""
        order = self.capturing.captures.get(capture_id)
        if order.principal != caller.name and "admin" not in caller.scopes:
            raise NotFound(f"there is no capture {capture_id}")
        return order

    def bundle(self, digest: str, caller: Principal) -> StoredBundle:
        """The bundle of a record; NotFound, also for one that is not the caller's, or Erased."""
        missing = NotFound(f"there is no evidence with the digest {digest}")
        return self._seen(partial(self.capturing.bundles.get, digest), caller, missing)

    def _seen(
        self, look: Callable[[], StoredBundle], caller: Principal, missing: NotFound
    ) -> StoredBundle:
        """A bundle that the caller may see, or whose erasure it may know of; else `missing`."""
        try:
            found = look()
        except Erased as error:
            raise self.erasing.told(error, caller, missing) from None
        if not _sees(caller, found):
            raise missing
        return found

    @property
    def inventory(self) -> Inventory:
        """What there is, whose it is, and what it lacks."""
        return Inventory(self.capturing, self.deciding)

    @property
    def change(self) -> Change:
        """All that belongs to a change ticket."""
        return Change(self.deciding)

    @property
    def drifting(self) -> Drifting:
        """What MLflow says now against what was signed."""
        return Drifting(self.capturing, self.deciding.decisions)

    @property
    def erasing(self) -> Erasing:
        """What takes evidence away."""
        bundles = self.capturing.bundles
        erasures = Erasures(bundles.database, bundles.store)
        return Erasing(erasures, bundles, self.issuing, self.now)

    def erase(self, digest: str, reason: str, caller: Principal) -> Erasure:
        """Erase a record and all that was said of it; what was erased already stays so.

        NotFound as for its bundle; BadInput for a reason that is none.
        """
        try:
            record = self.bundle(digest, caller).record()
        except Erased:
            return self.erasing.of(digest, caller)
        return self.erasing.erase(record, reason, caller)

    def chain(self, digest: str, caller: Principal) -> dict[str, Any]:
        """The log's word on all that was signed about a bundle's subject; NotFound.

        The log keeps it also where the bundle was erased.
        """
        try:
            subject = subject_digest(self.bundle(digest, caller).record().subject)
        except Erased:
            subject = self.erasing.of(digest, caller).log_subject
        return self.issuing.chain(subject)

    def take(self, data: bytes, caller: Principal) -> tuple[Attestation, bool]:
        """Keep a statement of somebody else; the second is whether it is new."""
        kept, new = self.ingesting.take(data, caller)
        self.deciding.settle(self.capturing.bundles.get(kept.record_digest).subject)
        return kept, new

    def attestations(self, digest: str, caller: Principal) -> list[Attestation]:
        """What others have signed about a record; NotFound as for its bundle."""
        self.bundle(digest, caller)
        return self.ingesting.attestations.of_record(digest)

    def approvals(self, digest: str, caller: Principal) -> dict[str, list[dict[str, Any]]]:
        """What people have said about a bundle's subject; NotFound as for the bundle."""
        return self._approving.entries(self.bundle(digest, caller).record())

    def approve(
        self, digest: str, told: Mapping[str, Any], caller: Principal
    ) -> tuple[Approval, bool]:
        """Enter an approval or a rejection of a release; the second is whether it is new."""
        return self._approving.approve(self.bundle(digest, caller).record(), told, caller)

    def revoke(
        self, digest: str, statement: str, comment: str | None, caller: Principal
    ) -> tuple[Approval, bool]:
        """Take an approval back, by a further entry."""
        record = self.bundle(digest, caller).record()
        return self._approving.revoke(record, statement, comment, caller)

    def waive(self, digest: str, told: Mapping[str, Any], caller: Principal) -> Waiver:
        """Answer for the failure of a rule, in one environment, for a time."""
        return self._approving.waive(self.bundle(digest, caller).record(), told, caller)

    @property
    def _approving(self) -> Approving:
        return Approving(self.deciding)

    def archive(
        self, digest: str, caller: Principal, size: int | None = None, artifacts: int = 0
    ) -> tuple[str, Pieces]:
        """The archive of a bundle's subject: a file's name, and its bytes; NotFound.

        `size` is that of the log at a head which the caller has kept. At most `artifacts` bytes of
        the files that the record names go with it; Busy where there is no room for them now.
        """
        record = self.bundle(digest, caller).record()
        archiving = Archiving(
            self.capturing.bundles,
            self.deciding.decisions,
            self.deciding.gathering.statements,
            self.erasing.erasures,
            self.issuing,
        )
        with ExitStack() as held:
            enclosing = Enclosing(self.capturing.store, artifacts, held)
            members = archiving.members(record, caller, size, enclosing)
            return file_name(record), Pieces(zipped(members.items()), held.pop_all())

    def verify(self, path: Path, subject: str | None, decision: str | None) -> dict[str, Any]:
        """Check a bundle or an archive against this service's own keys: the report."""
        trusted = Keyring.of([], [self.issuing.trust()])
        expected = Expected(rfc3339(self.now()), subject, decision)
        return verify_file(path, trusted, expected).document()

    def of_run(self, run_id: str, caller: Principal) -> StoredBundle:
        """The newest evidence of a run; NotFound."""
        subject = Subject("", run_id=run_id).name
        latest = partial(self.capturing.bundles.latest, subject)
        return self._seen(latest, caller, _no_evidence(subject))

    def of_version(self, model: str, version: str, caller: Principal) -> StoredBundle:
        """The newest evidence of a model version; NotFound."""
        subject = Subject("", model=model, version=version).name
        if not caller.sees_model(model):
            raise _no_evidence(subject)
        latest = partial(self.capturing.bundles.latest, subject)
        return self._seen(latest, caller, _no_evidence(subject))

    def of_alias(
        self, model: str, alias: str, caller: Principal, kind: str = ALIAS
    ) -> tuple[StoredBundle, Resolved]:
        """The newest evidence of the version that holds an alias, or a stage, now; NotFound."""
        at = self.resolve(model, alias, caller, kind)
        found = self.of_version(model, at.version, caller)
        if not made_then(found.record(), at.created):
            raise _no_evidence(f"{found.subject} as it is now: it was made again")
        return found, at

    def resolve(self, model: str, alias: str, caller: Principal, kind: str = ALIAS) -> Resolved:
        """The version that holds an alias now; NotFound before MLflow is asked if it is foreign."""
        if not caller.sees_model(model):
            raise NotFound(f"the tracking store has no model {model}", "check the name")
        store = self.capturing.store
        holder = store.holder if kind == ALIAS else store.stage_holder
        version, created = holder(model, alias)
        return Resolved(kind, alias, version, rfc3339(self.now()), created)

    def models_of(self, run_id: str, caller: Principal) -> RunModels:
        """The model versions that came from a run; NotFound for a run that is not the caller's."""
        return models_of(self.capturing.store, self.capturing.bundles, run_id, caller, self.now())

    def unstamped(self, asked: stamping.Asked, caller: Principal) -> stamping.Unstamped:
        """A page of the runs that lack our tags, and what each would get."""
        return stamping.unstamped(self.capturing.store, asked, caller)

    def stamp(self, run_id: str, values: Mapping[str, str], caller: Principal) -> dict[str, str]:
        """Stamp a run afterwards: the tags that it got; WriteBackOff unless that is allowed."""
        return stamping.stamp(self.capturing.store, run_id, values, caller, self.write_back)

    def search(self, filters: Filters, caller: Principal, cursor: str | None, limit: int) -> Page:
        """The newest bundles that match and that the caller may see."""
        now = rfc3339(self.now())
        return self.capturing.bundles.search(filters, caller.view, cursor, limit, now)

    def compare(
        self, named: Sequence[str], caller: Principal, directions: Mapping[str, str]
    ) -> dict[str, Any]:
        """What differs between the first named and each of the others; BadInput, NotFound."""
        asked = [comparing.parts(one) for one in named]
        return comparing.compare([self.named(one, caller) for one in asked], directions)

    def named(self, parts: Mapping[str, str], caller: Principal) -> StoredBundle:
        """The bundle with a digest, or the newest one of a run, a version, or an alias."""
        if "digest" in parts:
            return self.bundle(parts["digest"], caller)
        if "run_id" in parts:
            return self.of_run(parts["run_id"], caller)
        if "version" in parts:
            return self.of_version(parts["model"], parts["version"], caller)
        return self.of_alias(parts["model"], parts["alias"], caller)[0]

    def history(
        self, experiment: str, question: Question, caller: Principal, limit: int
    ) -> dict[str, Any]:
        """A metric over the runs of an experiment, with regressions marked; NotFound."""
        bundles = self.capturing.bundles
        return comparing.over_time(bundles, experiment, question, caller, limit)

    def verdicts(self, digest: str, caller: Principal) -> list[dict[str, Any]]:
        """The newest decision on a record in each environment; NotFound as for its bundle."""
        self.bundle(digest, caller)
        return self.deciding.decisions.of_record(digest)

    def verdicts_on(
        self, subject: tuple[str, str], asked: tuple[str | None, int | None, int], caller: Principal
    ) -> tuple[list[Decision], int | None]:
        """The verdicts on a model version, the newest first, and where the next page begins.

        `asked` is an environment or None, where to begin, and how many; NotFound.
        """
        stored = self.of_version(*subject, caller)
        known = stored.record().subject
        environment, before, limit = asked
        found = self.deciding.decisions.history(known.name, environment, before, limit + 1)
        verdicts = [read_decision(document, known) for _, document in found[:limit]]
        return verdicts, found[limit - 1][0] if len(found) > limit else None

    def exhibit(
        self, bundle: StoredBundle, caller: Principal, resolved: Resolved | None = None
    ) -> Exhibit:
        """A bundle with all that is shown beside it, for a renderer."""
        return Exhibit(
            bundle.document(resolved.shown if resolved else None),
            self.verdicts(bundle.digest, caller),
            self.series,
            rfc3339(self.now()),
            **self._approving.entries(bundle.record()),
        )

    def explain(self, text: bytes, question: DryRun, caller: Principal) -> dict[str, Any]:
        """A page of what a policy would have blocked of all that was captured. BadInput."""
        return explain(self.capturing.bundles, text, question, caller)

    def series(self, digest: str) -> bytes | None:
        """The kept lines of a metric's history, or None, for who has been shown its bundle."""
        try:
            return self.capturing.bundles.material(digest)[1]
        except NotFound:
            return None

    def material(self, digest: str, sha256: str, caller: Principal) -> tuple[str, bytes]:
        """The media type and bytes of something that a record names by digest; NotFound."""
        record = self.bundle(digest, caller).record()
        if all(series["digest"] != sha256 for series in record.values("history").values()):
            raise NotFound(f"the record names no kept material with the digest {sha256}")
        return self.capturing.bundles.material(sha256)

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
            raise _no_evidence(Subject("", model=model, version=version).name)
        policy, asked = self.deciding.asked(environment)
        named = Subject(self.capturing.store_id, model=model, version=version)
        stands = None if fresh else self.deciding.standing(named, policy, asked)
        if stands is not None:
            if not caller.sees(stands.model, stands.experiment):
                raise _no_evidence(named.name)
            return self._pinned(verdict_of(stands, named), pinned)
        try:
            stored = self.capturing.bundles.latest(named.name)
        except NotFound as error:
            if isinstance(error, Erased):
                error = self.erasing.told(error, caller, _no_evidence(named.name))
            reason = _reason("no-evidence", error.detail, "captured evidence", error.mend)
            now = self.now()
            return denial(policy.digest, asked.name, named, "pending", [reason], now)
        if not _sees(caller, stored):
            raise _no_evidence(named.name)
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


def _sees(caller: Principal, found: StoredBundle) -> bool:
    return caller.sees(found.model, found.experiment)


def _no_evidence(subject: str) -> NotFound:
    mend = "capture it: POST /v1/captures, or mlflow-evidence capture"
    return NotFound(f"there is no evidence of {subject}", mend)


def _reason(code: str, found: str, asked: str, mend: str) -> dict[str, str]:
    return {"code": code, "found": found, "asked": asked, "mend": mend}


__all__ = ["Evidence", "Resolved"]
