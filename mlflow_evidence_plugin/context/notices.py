"""What the user should hear about: once, by name, with the way to mend it, never the value."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from dataclasses import dataclass


class Log:
    """The plugin's logger, which never raises: a handler of the user's may."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def debug(self, text: str, *values: object, exc_info: bool = False) -> None:
        """For whoever looks for the reason of something."""
        with suppress(Exception):
            self._logger.debug(text, *values, exc_info=exc_info)

    def warning(self, text: str, *values: object) -> None:
        """For everybody."""
        with suppress(Exception):
            self._logger.warning(text, *values)


log = Log("mlflow_evidence_plugin")

_told: set[tuple[int, str]] = set()


@dataclass(frozen=True)
class Problem:
    """Something in the configuration that does not count, and why.

    `subject` names a tag, a variable or a file. A loud problem is warned about in training;
    the others are for `doctor`.
    """

    subject: str
    reason: str
    mend: str
    loud: bool = True

    def __str__(self) -> str:
        return f"{self.subject}: {self.reason}. {self.mend}"


def tell(problem: Problem) -> None:
    """Warn, once per process and subject."""
    key = (os.getpid(), problem.subject)
    if not problem.loud or key in _told:
        return
    _told.add(key)  # first, in case a log handler starts a run of its own
    log.warning("mlflow-evidence-plugin: %s", problem)
