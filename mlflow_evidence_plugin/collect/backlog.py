"""Runs that nobody has stamped: found a page at a time, however many there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..context.afterwards import missing, stamped
from ..context.room import fitting, most_tags
from ..errors import Conflict, NotFound
from ..tags import PREFIX
from . import azure
from .asking import asked
from .catalogue import instant, paged
from .store import MlflowStore

PAGE = 500
"""Runs that are looked at a time."""


@dataclass(frozen=True)
class Bare:
    """A run without our tags. `would_stamp` is what it would get, `carries` what it has of it."""

    run_id: str
    experiment: str
    started_at: str | None
    would_stamp: dict[str, str]
    carries: tuple[str, ...]


@dataclass(frozen=True)
class Place:
    """Where a page begins: an experiment, and MLflow's own token of the page within it."""

    experiment_id: str
    token: str | None = None


class Backlog:
    """What a tracking store has to catch up with. Reads only."""

    def __init__(self, store: MlflowStore) -> None:
        self.store = store

    def experiments(
        self, name: str | None = None, sees: Callable[[str], bool] = lambda _: True
    ) -> dict[str, str]:
        """Names by id of one experiment, or of all that `sees` lets through; NotFound.

        In the order of the ids, so that a list goes on where it stopped though others are new.
        """
        client = self.store.client
        with asked("list of experiments"):
            if name is not None:
                found = client.get_experiment_by_name(name)
                known = [found] if found is not None else []
            else:
                known = list(paged(lambda token: client.search_experiments(page_token=token)))
        if name is not None and not known:
            raise NotFound(f"the tracking store has no experiment {name}", "check the name")
        ids = {str(one.experiment_id): str(one.name) for one in known if sees(str(one.name))}
        return dict(sorted(ids.items()))

    def pages(
        self,
        experiments: Mapping[str, str],
        given: Mapping[str, str],
        start: Place | None = None,
        size: int = PAGE,
    ) -> Iterator[tuple[list[Bare], Place | None]]:
        """The bare runs of each page, newest first in each experiment, and where the next begins.

        A page may hold none of them: stores cannot be asked for what a run lacks.
        """
        ids = [one for one in experiments if start is None or one >= start.experiment_id]
        for number, experiment_id in enumerate(ids):
            token, after = None, ids[number + 1 : number + 2]
            if start and start.experiment_id == experiment_id:
                token = start.token
            for runs, further in self._search(experiment_id, token, size):
                found = [self._bare(run, experiments[experiment_id], given) for run in runs]
                following = Place(experiment_id, further) if further else None
                last = Place(after[0]) if after else None
                yield [one for one in found if one], following or last

    def run(self, run_id: str, given: Mapping[str, str]) -> Bare | None:
        """One run if it is bare, None if it is stamped; NotFound; Conflict for a deleted one."""
        with asked(f"run {run_id}"):
            run = self.store.client.get_run(run_id)
            experiment = self.store.client.get_experiment(run.info.experiment_id).name
            if run.info.run_id != run_id:
                raise ValueError("another run was answered")
        if run.info.lifecycle_stage == "deleted":
            raise Conflict(f"run {run_id} is deleted", "restore it first: mlflow runs restore")
        return self._bare(run, str(experiment), given)

    def planned(self, run: Any, given: Mapping[str, str]) -> dict[str, str]:
        """What a run would be stamped with: nothing when it is stamped, and only what fits."""
        there = run.data.tags
        if stamped(there):
            return {}
        found = missing(run.info.run_id, there, self._where(), given)
        return fitting(found, there, most_tags(self.store.client._tracking_client.store))

    def _where(self) -> dict[str, str]:
        uri = self.store.tracking_uri
        cloud = azure.cloud(uri) or ""
        return {"MLFLOW_TRACKING_URI": uri, "AZUREML_CURRENT_CLOUD": cloud}

    def _bare(self, run: Any, experiment: str, given: Mapping[str, str]) -> Bare | None:
        there = run.data.tags
        if stamped(there):
            return None
        carries = tuple(sorted(name for name in there if name.startswith(PREFIX)))
        at = instant(run.info.start_time)
        return Bare(run.info.run_id, experiment, at, self.planned(run, given), carries)

    def _search(
        self, experiment_id: str, token: str | None, size: int
    ) -> Iterator[tuple[list[Any], str | None]]:
        # By time only: Azure ML does not order by anything else.
        order, seen = ["attributes.start_time DESC"], {token}
        while True:
            with asked("list of runs"):
                page = self.store.client.search_runs(
                    [experiment_id], "", max_results=size, order_by=order, page_token=token
                )
                token = page.token or None
                if token and token in seen:
                    raise ValueError("the same page again, without end")
            yield list(page), token
            if not token:
                return
            seen.add(token)
