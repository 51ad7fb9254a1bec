"""gunicorn's worker with threads, which does not wait for idle clients when it is to stop."""

from __future__ import annotations

from gunicorn.workers.gthread import ThreadWorker

TICK = 1.0
"""Seconds after which connections that were idle for too long are looked for again."""


class Worker(ThreadWorker):  # type: ignore[misc]
    """While it stops, gunicorn before 27, which mlflow insists on, looks only if something happens.

    With only idle connections left, that is after the whole graceful timeout. They still have
    their keep-alive time, and are not closed at once: a request may be on its way.
    """

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Wait no longer than a tick at a time, as the worker does until it is to stop."""
        super().wait_for_and_dispatch_events(min(timeout, TICK))
