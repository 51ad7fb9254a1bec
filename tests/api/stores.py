"""Stand-ins for the tracking store that tell what was asked of it."""

from __future__ import annotations

from copy import copy
from typing import Any

from mlflow_evidence_plugin.errors import EvidenceError


class Untouchable:
    """Fails the test that lets it be asked anything."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the tracking store was asked: {name}")


class Away:
    """Answers every question with the same error."""

    def __init__(self, error: EvidenceError) -> None:
        self.error = error

    def __getattr__(self, name: str) -> Any:
        def refuse(*_: Any, **__: Any) -> Any:
            raise self.error

        return refuse


def silent(service: Any, monkeypatch: Any) -> Any:
    """The service's store, at an address where nobody answers."""
    import mlflow

    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    store = copy(service.evidence.capturing.store)
    store.client = mlflow.MlflowClient("http://127.0.0.1:1", "http://127.0.0.1:1")
    return store


class Listening:
    """The real store; `asked` holds the names of the questions."""

    def __init__(self, store: Any) -> None:
        self.store, self.asked = store, []

    def __getattr__(self, name: str) -> Any:
        self.asked.append(name)
        return getattr(self.store, name)
