"""What MLflow finds through the entry points.

MLflow builds these inside `import mlflow` and catches little: no base class of its, which would
import it in a circle, and no constructors, which could fail.
"""

from __future__ import annotations

from .notices import log
from .process import current


class EvidenceContextProvider:
    """Tags for each run that the fluent interface creates."""

    def in_context(self) -> bool:
        """Always: whether there is something to say is decided for each run."""
        return True

    def tags(self) -> dict[str, str]:
        """Names and values that every store takes; {} when switched off or when all fails."""
        try:
            return current().tags()
        except Exception:  # the run matters more than our evidence
            log.debug("evidence: no tags", exc_info=True)
            return {}


class EvidenceHeaderProvider:
    """One header on each request to the tracking server."""

    def in_context(self) -> bool:
        """Always: see `EvidenceContextProvider`."""
        return True

    def request_headers(self) -> dict[str, str]:
        """`{HEADER: value}`, or {}; from memory after the first request."""
        try:
            process = current()
            if process.headers is None:
                process.tags()
            return dict(process.headers or {})
        except Exception:  # as above
            log.debug("evidence: no header", exc_info=True)
            return {}
