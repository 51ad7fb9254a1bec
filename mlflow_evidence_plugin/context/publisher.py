"""Logs the environment artifact beside the training: by a thread that nothing ever waits for."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from typing import Any

from .environment import canonical, document, path
from .host import Host
from .notices import log

WAITING = 100
"""Runs that wait for their artifact; those beyond go without one."""


class Publisher:
    """One for a process. `publish` returns at once, and raises nothing that a run could feel."""

    def __init__(self) -> None:
        self._runs: queue.Queue[Callable[[], None]] = queue.Queue(WAITING)
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def publish(self, host: Host, run_id: str) -> None:
        """Have a run's artifact logged some time, unless the process ends before."""
        import mlflow  # loaded long since: a run of it has just begun

        where = mlflow.get_tracking_uri()
        carried = copy_context().run  # mlflow keeps a workspace there
        try:
            self._runs.put_nowait(partial(carried, self._log, host, where, run_id))
        except queue.Full:
            log.debug("evidence: too many runs at once, no environment for %s", run_id)
        with self._lock:
            if self._thread is None:
                # A daemon: the end of the program does not wait for it.
                self._thread = threading.Thread(target=self._work, name="evidence", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while True:
            publish = self._runs.get()
            try:
                publish()
            except Exception:  # the run matters more than our evidence
                log.debug("evidence: a run has no environment artifact", exc_info=True)

    def _log(self, host: Host, tracking_uri: str, run_id: str) -> None:
        import mlflow

        told = document(host)
        if told is None:
            return
        if tracking_uri not in self._clients:
            self._clients[tracking_uri] = mlflow.MlflowClient(tracking_uri)
        self._clients[tracking_uri].log_text(run_id, canonical(told), path(told))
