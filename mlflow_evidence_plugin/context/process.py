"""What this process has found out so far. A forked child starts afresh: it has another id."""

from __future__ import annotations

import os
import threading
from collections import deque
from typing import TYPE_CHECKING

from .header import headers
from .host import Host, active, logs_environment, observe, refreshed
from .sources import gather

if TYPE_CHECKING:
    from .publisher import Publisher

REMEMBERED_RUNS = 1000


class Process:
    """Facts of one process: found at the first run, variables looked at for each run."""

    def __init__(self) -> None:
        # Re-entrant: a log handler of the user's may start a run while we warn.
        self._lock = threading.RLock()
        self._host: Host | None = None
        self.headers: dict[str, str] | None = None
        """For requests, as of the last run; None until somebody asks."""
        self._said: dict[str, str] = {}
        self._made: deque[str] = deque(maxlen=REMEMBERED_RUNS)
        self._publisher: Publisher | None = None

    def tags(self) -> dict[str, str]:
        """The tags of a run that starts now."""
        with self._lock:
            self.headers = self.headers or {}  # a failure below is not tried at each request
            self._host = refreshed(self._host) if self._host else observe()
            found = gather(self._host) if active(self._host.env) else {}
            if found != self._said:
                self.headers, self._said = headers(found), dict(found)
            return found

    def made(self, run_id: str) -> None:
        """Remember a run that this process has stamped."""
        self._made.append(run_id)
        if self._host is not None and logs_environment(self._host.env):
            self._publish(self._host, run_id)

    def has_made(self, run_id: str) -> bool:
        """Whether this process has stamped the run, as far as it remembers."""
        return run_id in self._made

    def _publish(self, host: Host, run_id: str) -> None:
        from .publisher import Publisher

        if self._publisher is None:
            self._publisher = Publisher()
        self._publisher.publish(host, run_id)


_processes: dict[int, Process] = {}


def current() -> Process:
    """The memory of this process id.

    `setdefault` is atomic and needs no lock, which a fork could leave locked in the child.
    """
    pid = os.getpid()
    return _processes.get(pid) or _processes.setdefault(pid, Process())
