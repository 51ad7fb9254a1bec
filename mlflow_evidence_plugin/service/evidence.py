"""What callers may ask: capture, read, decide. What is not theirs is not there for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from ..errors import Erased, NotFound
from ..ledger import subject_digest
from ..policy.decision import rfc3339
from ..record import Subject
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
from .approving import Approving, said_about
from .archive import Archiving, Pieces, file_name, zipped
from .capture import CaptureRequest, Capturing
from .deciding import Deciding
from .drift import Drifting
from .enclosing import Enclosing
from .erasing import Erasing
from .explaining import DryRun, explain
from .gate import ALIAS, Gate, Resolved, no_evidence
from .gathering import made_then
from .ingesting import Ingesting
from .inventory import Inventory
from .issuing import Issuing
from .lineage import RunModels, models_of
from .tickets import Change


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
        if not caller.sees(found.model, found.experiment):
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

    @property
    def approving(self) -> Approving:
        """What people decide."""
        return Approving(self.deciding, self.bundle)

    @cached_property
    def gate(self) -> Gate:
        """May it be released?"""
        return Gate(self.capturing, self.deciding, self.erasing, self.now)

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
        return self._seen(latest, caller, no_evidence(subject))

    def of_version(self, model: str, version: str, caller: Principal) -> StoredBundle:
        """The newest evidence of a model version; NotFound."""
        subject = Subject("", model=model, version=version).name
        if not caller.sees_model(model):
            raise no_evidence(subject)
        latest = partial(self.capturing.bundles.latest, subject)
        return self._seen(latest, caller, no_evidence(subject))

    def of_alias(
        self, model: str, alias: str, caller: Principal, kind: str = ALIAS
    ) -> tuple[StoredBundle, Resolved]:
        """The newest evidence of the version that holds an alias, or a stage, now; NotFound."""
        at = self.gate.resolve(model, alias, caller, kind)
        found = self.of_version(model, at.version, caller)
        if not made_then(found.record(), at.created):
            raise no_evidence(f"{found.subject} as it is now: it was made again")
        return found, at

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

    def exhibit(
        self, bundle: StoredBundle, caller: Principal, resolved: Resolved | None = None
    ) -> Exhibit:
        """A bundle with all that is shown beside it, for a renderer."""
        return Exhibit(
            bundle.document(resolved.shown if resolved else None),
            self.verdicts(bundle.digest, caller),
            self.series,
            rfc3339(self.now()),
            **said_about(self.deciding, bundle.record()),
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
