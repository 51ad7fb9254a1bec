"""What MLflow finds through the entry points.

MLflow builds these inside `import mlflow` and catches little: no base class of its, which would
import it in a circle, and no constructor that could fail. What only a run needs is loaded at the
first run, so that `import mlflow` costs next to nothing more.
"""

from __future__ import annotations

from . import seams
from .notices import log


class EvidenceContextProvider:
    """Tags for each run that the fluent interface creates; the seams see to the others."""

    def __init__(self) -> None:
        try:
            seams.install()
        except Exception:  # an error here would break `import mlflow`
            log.debug("evidence: only fluent runs are stamped", exc_info=True)

    def in_context(self) -> bool:
        """Always: whether there is something to say is decided for each run."""
        return True

    def tags(self) -> dict[str, str]:
        """Names and values that every store takes; {} when switched off or when all fails."""
        try:
            from .process import current

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
            from .process import current

            process = current()
            if process.headers is None:
                process.tags()
            return dict(process.headers or {})
        except Exception:  # as above
            log.debug("evidence: no header", exc_info=True)
            return {}
