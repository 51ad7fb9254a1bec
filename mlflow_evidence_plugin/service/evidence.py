"""What callers may ask: capture, read, decide. What is not theirs is not there for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ..errors import NotFound, StoreRefused, StoreUnavailable
from ..ledger import subject_digest
from ..policy import Decision, denial
from ..policy.decision import refuse, rfc3339
from ..record import Subject
from ..record.facts import moment
from ..render.exhibit import Exhibit
from ..signing import Keyring
from ..storage import Attestation, Capture, Filters, Page, Principal, StoredBundle, Tokens
from ..verify import Expected, verify_file
from . import stamping
from .archive import Archiving, file_name, zipped
from .capture import CaptureRequest, Capturing
from .deciding import Deciding, made_then
from .ingesting import Ingesting
from .issuing import Issuing
from .lineage import RunModels, models_of

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
        """The bundle of a record; NotFound, also for one that is not the caller's."""
        found = self.capturing.bundles.get(digest)
        if not _sees(caller, found):
            raise NotFound(f"there is no evidence with the digest {digest}")
        return found

    def chain(self, digest: str, caller: Principal) -> dict[str, Any]:
        """The log's word on all that was signed about a bundle's subject; NotFound."""
        subject = self.bundle(digest, caller).record().subject
        return self.issuing.chain(subject_digest(subject))

    def attestations(self, digest: str, caller: Principal) -> list[Attestation]:
        """What others have signed about a record; NotFound as for its bundle."""
        self.bundle(digest, caller)
        return self.ingesting.attestations.of_record(digest)

    def archive(
        self, digest: str, caller: Principal, size: int | None = None
    ) -> tuple[str, Iterator[bytes]]:
        """The archive of a bundle's subject: a file's name, and its bytes; NotFound.

        `size` is that of the log at a head which the caller has kept.
        """
        record = self.bundle(digest, caller).record()
        archiving = Archiving(
            self.capturing.bundles, self.deciding.decisions, self.deciding.statements, self.issuing
        )
        members = archiving.members(record, caller, size)
        return file_name(record), zipped(members.items())

    def verify(self, path: Path, subject: str | None, decision: str | None) -> dict[str, Any]:
        """Check a bundle or an archive against this service's own keys: the report."""
        trusted = Keyring.of([], [self.issuing.trust()])
        expected = Expected(rfc3339(self.now()), subject, decision)
        return verify_file(path, trusted, expected).document()

    def of_run(self, run_id: str, caller: Principal) -> StoredBundle:
        """The newest evidence of a run; NotFound."""
        subject = Subject("", run_id=run_id).name
        found = self.capturing.bundles.latest(subject)
        if not _sees(caller, found):
            raise _no_evidence(subject)
        return found

    def of_version(self, model: str, version: str, caller: Principal) -> StoredBundle:
        """The newest evidence of a model version; NotFound."""
        subject = Subject("", model=model, version=version).name
        if not caller.sees_model(model):
            raise _no_evidence(subject)
        found = self.capturing.bundles.latest(subject)
        if not _sees(caller, found):
            raise _no_evidence(subject)
        return found

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

    def verdicts(self, digest: str, caller: Principal) -> list[dict[str, Any]]:
        """The newest decision on a record in each environment; NotFound as for its bundle."""
        self.bundle(digest, caller)
        return self.deciding.decisions.of_record(digest)

    def exhibit(
        self, bundle: StoredBundle, caller: Principal, resolved: Resolved | None = None
    ) -> Exhibit:
        """A bundle with all that is shown beside it, for a renderer."""
        return Exhibit(
            bundle.document(resolved.shown if resolved else None),
            self.verdicts(bundle.digest, caller),
            self.series,
            rfc3339(self.now()),
        )

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
    ) -> Decision:
        """The verdict on a model version. What cannot be known denies.

        `pinned` are digests that the caller insists on: of the record, and of the policy.
        """
        model, version = subject
        if not caller.sees_model(model):
            raise _no_evidence(Subject("", model=model, version=version).name)
        policy, asked = self.deciding.asked(environment)
        named = Subject(self.capturing.store_id, model=model, version=version)
        try:
            stored = self.capturing.bundles.latest(named.name)
        except NotFound as error:
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
        decision = self.decide((model, found.version), environment, caller, pinned)
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
