"""What the user should hear about: once, by name, with the way to mend it, never the value."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass

log = logging.getLogger("mlflow_evidence_plugin")

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
    try:
        log.warning("mlflow-evidence-plugin: %s", problem)
    except Exception:  # a log handler of the user's may raise; their run goes on
        return
