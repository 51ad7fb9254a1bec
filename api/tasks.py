"""The queue. It only speeds the work: the table of captures knows what is to be done."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from huey import SqliteHuey, crontab

from mlflow_evidence_plugin.policy.decision import rfc3339
from mlflow_evidence_plugin.service import Capturing
from mlflow_evidence_plugin.settings import Settings

BACKOFF = 2.0
"""Seconds before the second try; each further one waits twice as long."""

IDLE = 0.2
"""Seconds that an idle worker sleeps at the most before it looks again."""


def queue(settings: Settings) -> Any:
    """The embedded queue, in a file beside the database."""
    return SqliteHuey("evidence", filename=str(settings.home / "queue.db"), results=False)


def enqueuer(settings: Settings) -> Callable[[str], None]:
    """What the web side needs: hand a capture's id over."""
    return _tasks(queue(settings), None)


def work(settings: Settings, capturing: Capturing, workers: int) -> None:
    """Carry captures out until told to stop. First what an earlier worker left behind."""
    huey = queue(settings)
    enqueue = _tasks(huey, capturing)

    def sweep() -> None:
        for capture_id in capturing.captures.unfinished(rfc3339(capturing.now())):
            enqueue(capture_id)

    huey.periodic_task(crontab(minute="*"), name="sweep")(sweep)
    sweep()
    consumer = huey.create_consumer(
        workers=workers,
        worker_type="thread",
        initial_delay=IDLE / 4,
        max_delay=IDLE,
        graceful_signal="TERM",  # end the capture at hand, then stop
    )
    consumer.run()


def _tasks(huey: Any, capturing: Capturing | None) -> Callable[[str], None]:
    """What puts a capture into the queue; the worker's side can also carry it out."""

    @huey.task(name="capture")
    def capture(capture_id: str) -> None:
        if capturing is None:
            return
        order = capturing.perform(capture_id)
        if not order.ended and order.attempts:
            pause = BACKOFF * 2 ** (order.attempts - 1) * random.uniform(1, 1.5)  # noqa: S311
            capture.schedule((capture_id,), delay=pause)

    def enqueue(capture_id: str) -> None:
        capture(capture_id)

    return enqueue
