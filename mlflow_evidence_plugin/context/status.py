"""`git status` takes seconds on a large tree: it runs beside the training, never in its way."""

from __future__ import annotations

import atexit
import os
import select
import subprocess
import threading
import time
from contextlib import suppress

from .program import end

PATIENCE_SECONDS = 0.1
LIFE_SECONDS = 5.0


class Status:
    """A running `git status`, of which it only matters whether it prints anything."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process: subprocess.Popen[bytes] | None = process
        self._started = time.monotonic()
        self._owner = os.getpid()
        self._timer: threading.Timer | None = None
        self._dirty: bool | None = None
        atexit.register(self._close)

    def answer(self) -> bool | None:
        """Whether there are changes; None while that is unknown, or when git failed.

        Waits until 100 ms after the start at most, so later calls do not wait at all.
        """
        process = self._process
        if process is None:
            return self._dirty
        said = self._first_byte(process)
        if said is None:
            self._limit_life(process)
            return None
        if said:
            self._dirty = True
        else:  # the end of its output: it has all but ended
            with suppress(subprocess.TimeoutExpired):
                self._dirty = False if process.wait(PATIENCE_SECONDS) == 0 else None
        self._close()
        return self._dirty

    def _first_byte(self, process: subprocess.Popen[bytes]) -> bytes | None:
        """One byte of output, b"" at its end, None when neither came in time.

        The rest is never read: git may wait on a full pipe, its answer is known by then.
        """
        assert process.stdout is not None  # noqa: S101  # for the type checker: it is a pipe
        left = self._started + PATIENCE_SECONDS - time.monotonic()
        waiting = select.poll()
        waiting.register(process.stdout, select.POLLIN)
        if not waiting.poll(max(0.0, left) * 1000):
            return None
        return os.read(process.stdout.fileno(), 1)

    def _limit_life(self, process: subprocess.Popen[bytes]) -> None:
        if self._timer is None:
            left = self._started + LIFE_SECONDS - time.monotonic()
            self._timer = threading.Timer(max(0.0, left), end, (process,))
            self._timer.daemon = True  # must not hold up the end of the training
            self._timer.start()

    def _close(self) -> None:
        atexit.unregister(self._close)
        process, self._process = self._process, None
        if self._timer:
            self._timer.cancel()
        # After a fork, the process belongs to the parent.
        if process is not None and os.getpid() == self._owner:
            end(process)
            if process.stdout:
                process.stdout.close()
