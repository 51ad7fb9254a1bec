"""Capture: MLflow to snapshot to record to envelope to storage; whole, or not at all."""

from __future__ import annotations

import logging
import random
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from ..collect import MlflowStore
from ..errors import (
    BadInput,
    EvidenceError,
    NotFound,
    SigningFailed,
    StorageUnavailable,
    StoreUnavailable,
)
from ..policy.decision import rfc3339
from ..record import Record, record_of
from ..scan import TextObserver, masked
from ..snapshot import RunSnapshot, Snapshot, VersionSnapshot
from ..statements import captured
from ..storage import Bundles, Capture, Captured, Captures, Database, Principal
from ..storage.captures import ACCEPTED
from ..storage.search import matches
from .issuing import Issuing

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
ATTEMPTS = 4
"""How often a capture is tried while the store or the database is away."""

BACKOFF = timedelta(seconds=2)
"""The pause before the second try; before each further one it is twice as long."""

SERIES = "text/csv; charset=utf-8; header=absent"
_MAY_PASS = (StoreUnavailable, StorageUnavailable, SigningFailed)

Clock = Callable[[], datetime]
Progress = Callable[[int], None]


@dataclass(frozen=True)
class CaptureRequest:
    """What to capture: a run; or a model with either a version or an alias."""

    run_id: str | None = None
    model: str | None = None
    version: str | None = None
    alias: str | None = None

    def check(self) -> None:
        """BadInput unless exactly one subject is named."""
        named = (bool(self.run_id), bool(self.model), bool(self.version), bool(self.alias))
        if named not in {
            (True, False, False, False),
            (False, True, True, False),
            (False, True, False, True),
        }:
            mend = "give run_id; or model with version; or model with alias"
            raise BadInput("a capture needs exactly one subject", mend)


@dataclass(frozen=True)
class Capturing:
    """Everything that a capture goes through."""

    store: MlflowStore
    store_id: str
    database: Database
    captures: Captures
    bundles: Bundles
    issuing: Issuing
    now: Clock

    def accept(self, request: CaptureRequest, caller: Principal, key: str | None = None) -> Capture:
        """Take an order, or find the one that stands for it already.

        NotFound, before MLflow is asked, for a model that is not the caller's. KeyReused when
        the idempotency key came with another order.
        """
        request.check()
        if request.model and not caller.sees_model(request.model):
            raise NotFound(f"the tracking store has no model {request.model}", "check the name")
        order = Capture(
            id=uuid.uuid4().hex,
            **vars(request),
            experiments=caller.experiments,
            principal=caller.name,
            state=ACCEPTED,
            attempts=0,
            accepted_at=rfc3339(self.now()),
        )
        return self.captures.accept(order, key)

    def perform(
        self, capture_id: str, progress: Progress = lambda _: None, patient: bool = False
    ) -> Capture:
        """Carry an order out. It ends done, failed with a reason, or accepted to be tried again.

        The patient leave one alone that pauses before it is tried again.
        """
        now = self.now()
        order = self.captures.claim(capture_id, rfc3339(now), rfc3339(now + LEASE), patient)
        if order is None:
            return self.captures.get(capture_id)
        try:
            if order.attempts > ATTEMPTS * 2:
                # Tries that ended by themselves are counted below; these ended their worker.
                raise EvidenceError("its workers ended while they captured it", "see their logs")
            with self._holding(order):
                self._keep(order, self._record(order, progress))
        except EvidenceError as error:
            self._give_up(order, error)
        except Exception as error:
            log.exception("capture %s failed", capture_id)
            problem = EvidenceError(
                f"an unexpected {type(error).__name__}", "see the service's log"
            )
            self._give_up(order, problem)
        return self.captures.get(capture_id)

    def _record(self, order: Capture, progress: Progress) -> tuple[Snapshot, Record]:
        snapshot = masked(self._read(order, progress), self.store_id)
        return snapshot, record_of(snapshot, self.store_id)

    def _read(self, order: Capture, progress: Progress) -> RunSnapshot | VersionSnapshot:
        observe = partial(TextObserver, salt=self.store_id)
        if order.run_id:
            if "*" not in order.experiments:
                experiment = self.store.experiment_of(order.run_id)
                if not matches(experiment, order.experiments):
                    raise NotFound(
                        f"the tracking store has no run {order.run_id}", "check the name"
                    )
            return self.store.run(order.run_id, observe, progress)
        model = order.model or ""
        version = order.version or self.store.version_of_alias(model, order.alias or "")
        if "*" not in order.experiments:
            # Whoever may write to the model could else name anybody's run as its source.
            source = self.store.experiment_of_version(model, version)
            if source is not None and not matches(source, order.experiments):
                said = f"the tracking store has no version {version} of model {model}"
                raise NotFound(said, "check the name")
        return self.store.version(model, version, observe, progress)

    def _keep(self, order: Capture, made: tuple[Snapshot, Record]) -> None:
        snapshot, record = made
        run = snapshot.run if isinstance(snapshot, VersionSnapshot) else snapshot
        texts = [(SERIES, series.text) for series in run.series] if run else []
        envelopes = self.issuing.sign(captured(record))
        at = rfc3339(self.now())
        with self.database.writing() as transaction:
            kept = Captured(record, envelopes, texts, at, order.principal)
            self.bundles.add(transaction, [kept])
            self.captures.done(transaction, order, record.digest, at)

    def _give_up(self, order: Capture, error: EvidenceError) -> None:
        told = (error.code, error.detail, error.mend)
        if isinstance(error, _MAY_PASS) and order.attempts < ATTEMPTS:
            pause = BACKOFF * 2 ** (order.attempts - 1) * random.uniform(1, 1.5)  # noqa: S311
            self.captures.release(order, told, rfc3339(self.now() + pause))
        else:
            self.captures.failed(order, told, rfc3339(self.now()))

    @contextmanager
    def _holding(self, order: Capture) -> Iterator[None]:
        """Renew the lease while work goes on, so that it lapses soon after a worker dies."""
        ended = threading.Event()

        def renew() -> None:
            while not ended.wait(LEASE.total_seconds() / 3):
                try:
                    self.captures.renew(order, rfc3339(self.now() + LEASE))
                except EvidenceError:
                    log.warning("the lease of capture %s could not be renewed", order.id)

        thread = threading.Thread(target=renew, name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
