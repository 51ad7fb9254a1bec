"""The queue. It only speeds the work: the table of captures knows what is to be done."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from huey import PostgresHuey, SqliteHuey, crontab
from psycopg import OperationalError
from psycopg.errors import UniqueViolation

from mlflow_evidence_plugin.errors import EvidenceError
from mlflow_evidence_plugin.policy.decision import rfc3339
from mlflow_evidence_plugin.service import Capturing, Evidence
from mlflow_evidence_plugin.settings import Settings
from mlflow_evidence_plugin.storage import Capture, Deliveries
from mlflow_evidence_plugin.storage.database import PATIENCE, postgres_dsn
from mlflow_evidence_plugin.wiring import timestamping

log = logging.getLogger(__name__)

IDLE = 0.2
"""Seconds that an idle worker sleeps at the most before it looks again."""

AWAY = 2.0
"""Seconds that it sleeps at the most before it looks again for a queue that cannot be reached."""

OVERDUE = timedelta(minutes=5)
"""After which an order that nobody has begun is put into the queue once more."""

KEYS_KEPT = timedelta(hours=24)
"""How long an idempotency key stands for its order."""

DELIVERIES_KEPT = timedelta(days=30)
"""How long a webhook of another system is known by its id: far longer than any sends one again."""


def queue(settings: Settings) -> Any:
    """In the database, where machines share it (PostgreSQL); else in a file beside it."""
    dsn = postgres_dsn(settings.database_url)
    if dsn:
        # Its tables are made when it opens. "If not exists" does not hold for two at once: who
        # comes second there finds them the next time.
        with suppress(UniqueViolation):
            return PostgresHuey("evidence", dsn=dsn, results=False, **PATIENCE)
        return PostgresHuey("evidence", dsn=dsn, results=False, **PATIENCE)
    return SqliteHuey("evidence", filename=str(settings.home / "queue.db"), results=False)


def enqueuer(settings: Settings) -> Callable[[str], None]:
    """What the web side needs: hand a capture's id over. The queue is opened at the first."""

    @cache
    def opened() -> Callable[[str], None]:
        return _tasks(queue(settings), None)

    def enqueue(capture_id: str) -> None:
        opened()(capture_id)

    return enqueue


def work(
    settings: Settings,
    evidence: Evidence,
    workers: int,
    tell: Callable[[], object] | None = None,
) -> None:
    """Carry captures out until told to stop. First what an earlier worker left behind.

    `tell` tells others of verdicts: it is called beside the work, after each that may be new.
    """
    huey = queue(settings)
    rounds = _Rounds(huey, settings, evidence, tell)
    huey.periodic_task(crontab(minute="*"), name="sweep")(rounds.sweep)
    rounds.sweep()
    for part in ("Worker", "Scheduler"):
        logging.getLogger(f"huey.consumer.{part}").addFilter(_briefly)
    consumer = huey.create_consumer(
        workers=workers,
        worker_type="thread",
        initial_delay=IDLE / 4,
        max_delay=AWAY if huey.storage.blocking else IDLE,  # who blocks sleeps only when it fails
        graceful_signal="TERM",  # end the capture at hand, then stop
    )
    consumer.run()


class _Rounds:
    """What goes with captures: what follows each of them, and what is looked for each minute."""

    def __init__(
        self,
        huey: Any,
        settings: Settings,
        evidence: Evidence,
        tell: Callable[[], object] | None,
    ) -> None:
        self.huey, self.capturing, self.deciding = huey, evidence.capturing, evidence.deciding
        stamping = timestamping(settings, self.capturing)
        self.stamp = _beside("timestamps", stamping.catch_up) if stamping else _nothing
        self.told = _beside("verdicts told", tell) if tell else _nothing
        self.enqueue = _tasks(huey, self.capturing, self.ended)

    def ended(self, order: Capture) -> None:
        """Judge what was captured, and have it told; its statements get their timestamps."""
        if order.record_digest is not None:
            self.deciding.settle(self.capturing.bundles.get(order.record_digest).subject)
            self.told()
        self.stamp()

    def sweep(self) -> None:
        """Forget what is too old to be asked for, and take up whatever was left undone."""
        now = self.capturing.now()
        self.capturing.captures.forget_keys(rfc3339(now - KEYS_KEPT))
        Deliveries(self.capturing.database).forget(rfc3339(now - DELIVERIES_KEPT))
        # Where the queue lives, what was just accepted is in it; what a dead worker held is not.
        before = rfc3339(now - OVERDUE) if self.huey.pending_count() else None
        for capture_id in self.capturing.captures.unfinished(rfc3339(now), before):
            self.enqueue(capture_id)
        self.deciding.catch_up()
        self.stamp()  # also what the web side has signed, and what an authority was away for
        self.told()  # and what it has judged


def _nothing() -> None:
    pass


def _beside(what: str, work: Callable[[], object]) -> Callable[[], None]:
    """What has a thread of its own do the work, once more after each call. Nobody waits for it."""
    asked = threading.Event()

    def run() -> None:
        while asked.wait():
            asked.clear()
            try:
                work()
            except EvidenceError as error:
                log.warning("%s are lacking until the next try: %s", what, error.detail)
            except Exception:
                log.exception("%s are lacking until the next try", what)

    threading.Thread(target=run, name=what, daemon=True).start()
    return asked.set


def _tasks(
    huey: Any, capturing: Capturing | None, ended: Callable[[Capture], None] = lambda _: None
) -> Callable[[str], None]:
    """What puts a capture into the queue; the worker's side can also carry it out."""

    @huey.task(name="capture")
    def capture(capture_id: str) -> None:
        pause = _carried_out(capturing, capture_id, ended) if capturing else None
        if pause is not None:
            capture.schedule((capture_id,), delay=pause)

    def enqueue(capture_id: str) -> None:
        with suppress(OperationalError):
            capture(capture_id)
            return
        capture(capture_id)  # the connection was cut since its last use: there is a new one now

    return enqueue


def _carried_out(
    capturing: Capturing, capture_id: str, ended: Callable[[Capture], None]
) -> float | None:
    """Do what can be done of a capture now; the seconds until it is to be tried again, if it is."""
    try:
        order = capturing.perform(capture_id, patient=True)
        if order.ended:
            ended(order)
    except EvidenceError as error:  # what is left to do is kept, and found again by the sweep
        log.warning("capture %s could not be brought to an end: %s", capture_id, error.detail)
        return None
    if order.ended or not order.lease_until:
        return None
    # Whoever asked for it however often: not before its pause or another's lease is over.
    free_at = datetime.fromisoformat(order.lease_until.replace("Z", "+00:00"))
    return max((free_at - capturing.now()).total_seconds(), 0)


def _briefly(record: logging.LogRecord) -> bool:
    """Say of a queue that cannot be reached that it is so, each time, without a traceback."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, OperationalError | sqlite3.OperationalError):
        record.msg, record.args = f"{record.getMessage()} ({type(error).__name__})", ()
        record.exc_info = None
    return True
