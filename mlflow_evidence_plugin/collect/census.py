"""What a store lists, a page at a time: model versions and runs, with no file of theirs read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import BadInput, NotFound
from ..snapshot import Metric, RunSnapshot, VersionSnapshot
from .asking import asked
from .store import MlflowStore


@dataclass(frozen=True)
class Listed:
    """A model version, or a run, as it is listed; `changed` is when the store last changed it."""

    of: VersionSnapshot | RunSnapshot
    changed: int | None


Sheet = tuple[Sequence[Listed], str | None]
"""A page, and MLflow's own token of the next one."""


class Census:
    """One tracking store. Reads only."""

    def __init__(self, store: MlflowStore) -> None:
        self.store = store

    def versions(self, model: str | None, token: str | None, size: int) -> Sheet:
        """Model versions by name, the newest first; of one model, or of all."""
        order = ["name ASC", "version_number DESC"]
        with asked("list of model versions" if model is None else f"model {model}"):
            page = self.store.client.search_model_versions(
                _named(model), max_results=size, order_by=order, page_token=token
            )
            return [Listed(_version(one), one.last_updated_timestamp) for one in page], page.token

    def runs(self, experiment: tuple[str, str], token: str | None, size: int) -> Sheet:
        """Runs of an experiment, by its id and name, the newest first. Not those deleted."""
        with asked("list of runs"):
            page = self.store.client.search_runs(
                [experiment[0]],
                "",
                max_results=size,
                order_by=["attributes.start_time DESC"],
                page_token=token,
            )
            found = [Listed(_run(one, experiment[1]), one.info.end_time) for one in page]
            return found, page.token

    def run(self, run_id: str) -> RunSnapshot | None:
        """A run; None for one that is not there."""
        try:
            with asked(f"run {run_id}"):
                run = self.store.client.get_run(run_id)
                experiment = self.store.client.get_experiment(run.info.experiment_id).name
                if run.info.run_id != run_id:
                    raise ValueError("another run was answered")
                return _run(run, str(experiment))
        except NotFound:
            return None


def _named(model: str | None) -> str | None:
    if model is None:
        return None
    quote = '"' if "'" in model else "'"
    if quote in model:
        raise BadInput("MLflow cannot search for a name with both kinds of quotes", "")
    return f"name={quote}{model}{quote}"


def _version(found: Any) -> VersionSnapshot:
    return VersionSnapshot(
        found.name,
        str(found.version),
        found.run_id or None,
        found.user_id or "",
        found.creation_timestamp,
        found.source or "",
        found.description or "",
        dict(found.tags or {}),
    )


def _run(found: Any, experiment: str) -> RunSnapshot:
    info = found.info
    return RunSnapshot(
        info.run_id,
        info.run_name or "",
        str(info.experiment_id),
        experiment,
        str(info.status),
        str(info.lifecycle_stage),
        info.user_id or "",
        info.start_time,
        info.end_time,
        info.artifact_uri or "",
        {},
        dict(found.data.tags),
        tuple(Metric(key, value, None, None) for key, value in found.data.metrics.items()),
    )
