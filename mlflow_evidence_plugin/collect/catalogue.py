"""What a tracking store lists, in the shapes that users of `az ml` know.

Names are theirs; what MLflow does not tell is left out, and values stay MLflow's own.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ..errors import BadConfig, BadInput, NotFound, StoreUnavailable
from ..snapshot import Gap
from .artifacts import FileBytes, Scratch, Unreadable, walk
from .asking import asked
from .locations import local_path
from .store import MlflowStore

PAGE = 200
EXPERIMENTS = 500
"""Experiments that one search names: databases and servers bound how many they take."""

_SYSTEM = ("mlflow.", "azureml.", "_azureml.")
_WORKSPACE = re.compile(
    r"azureml://(?P<host>[^/]+)/mlflow/v[12]\.0(?P<id>/subscriptions/(?P<subscription>[^/]+)"
    r"/resourceGroups/(?P<group>[^/]+)/providers/Microsoft\.MachineLearningServices"
    r"/workspaces/(?P<name>[^/?#]+))",
    re.IGNORECASE,
)
_CLOUD = re.compile(r"(?:.*\.)?(?P<location>[^.]+)\.api\.(?P<cloud>azureml\.ms|ml\.azure\.(cn|us))")
_STUDIO = {"azureml.ms": "ml.azure.com"}


@dataclass(frozen=True)
class StoredFile:
    """One listed artifact. `read` raises Unreadable when it cannot be had as it was listed."""

    path: str
    read: Callable[[], Generator[bytes, None, None]]


class Catalogue:
    """One tracking store as its operator looks at it. `shown_uri` has no credentials in it."""

    def __init__(self, store: MlflowStore, shown_uri: str, scratch_bytes: int) -> None:
        _must_exist(store.tracking_uri)
        self.store = store
        self.shown_uri = shown_uri
        self._bytes = FileBytes(store.roots, Scratch(scratch_bytes))

    def workspace(self) -> dict[str, Any]:
        """The store, as `az ml workspace show`; an error unless it answers."""
        self.store.ping()
        shown: dict[str, Any] = {"mlflow_tracking_uri": self.shown_uri}
        if at := _WORKSPACE.match(self.shown_uri):
            shown |= {"name": at["name"], "id": at["id"], "resource_group": at["group"]}
            if cloud := _CLOUD.fullmatch(at["host"]):
                shown["location"] = cloud["location"]
        return shown

    def runs(
        self, experiment: str | None, status: str | None, most: int | None
    ) -> list[dict[str, Any]]:
        """Runs, newest first, as `az ml job list`; `status` is one of MLflow's."""
        where = f"attributes.status = '{status}'" if status else ""
        with asked("list of runs"):
            names = self._experiments(experiment)
            ids = list(names)
            batches = [ids[at : at + EXPERIMENTS] for at in range(0, len(ids), EXPERIMENTS)]
            streams = [self._search(batch, where, most) for batch in batches]
            newest = heapq.merge(*streams, key=lambda run: -(run.info.start_time or 0))
            return [self._job(run, names[run.info.experiment_id]) for run in islice(newest, most)]

    def run(self, run_id: str) -> dict[str, Any]:
        """One run, as `az ml job show`."""
        with asked(f"run {run_id}"):
            run = self._run(run_id)
            return self._job(run, self.store.client.get_experiment(run.info.experiment_id).name)

    def models(self, most: int | None) -> list[dict[str, Any]]:
        """Registered models, as `az ml model list` without a name."""
        ask = self.store.client.search_registered_models
        with asked("list of models"):
            found = paged(lambda token: ask(max_results=PAGE, page_token=token))
            return [_model(one) for one in islice(found, most)]

    def versions(self, name: str, most: int | None) -> list[dict[str, Any]]:
        """The versions of a model, newest first, as `az ml model list --name`."""
        quote = '"' if "'" in name else "'"
        if quote in name:
            raise BadInput("MLflow cannot search for a name with both kinds of quotes", "")
        ask, where = self.store.client.search_model_versions, f"name={quote}{name}{quote}"
        with asked(f"model {name}"):
            self.store.client.get_registered_model(name)  # no versions and no model are two things
            found = list(paged(lambda token: ask(where, max_results=PAGE, page_token=token)))
        newest = sorted(found, key=lambda one: int(one.version), reverse=True)
        return [_version(one) for one in newest[:most]]

    def version(self, name: str, version: str | None, alias: str | None) -> dict[str, Any]:
        """One version, by its number or an alias, as `az ml model show`."""
        number = version or self.store.version_of_alias(name, alias or "")
        with asked(f"version {number} of model {name}"):
            found = self.store.client.get_model_version(name, number)
            if found.name != name or not found.version:
                raise ValueError("another model was answered, or none")
            return _version(found)

    def files(self, run_id: str, path: str) -> tuple[list[StoredFile], list[Gap]]:
        """The artifacts of a run at or below a path, and what was listed but is not followed."""
        with asked(f"run {run_id}"):
            location = self._run(run_id).info.artifact_uri or ""
        if not self.store.roots.allow(location):
            raise BadConfig(
                f"the artifacts of run {run_id} are outside the roots of this store: {location}",
                "if the place is yours, name its root in EVIDENCE_SERVICE_ARTIFACT_ROOTS",
            )
        notes: list[Any] = []
        try:
            repo = self.store.repository(location)
            found = _listed(repo, path, notes, ("artifacts", local_path(location)))
        except Exception as error:
            raise StoreUnavailable(
                f"the artifacts of run {run_id} could not be listed ({type(error).__name__})",
                "see that the server answers, and that no artifact's name has '..' or '#' in it",
            ) from error
        if path and not found and not notes:
            raise NotFound(f"run {run_id} has no artifact {path}", "look without --path")
        reads = [partial(self._read, repo, location, info) for info in found]
        return [StoredFile(i.path, read) for i, read in zip(found, reads, strict=True)], notes

    def _read(self, repo: Any, location: str, info: Any) -> Generator[bytes, None, None]:
        try:
            yield from self._bytes.chunks(repo, location, info)
        except Unreadable:
            raise
        except Exception as error:
            reason = f"listed, but could not be read: {type(error).__name__}"
            raise Unreadable("unreadable", reason) from error

    def _run(self, run_id: str) -> Any:
        run = self.store.client.get_run(run_id)
        if run.info.run_id != run_id:
            raise ValueError("another run was answered")
        return run

    def _experiments(self, name: str | None) -> dict[str, str]:
        client = self.store.client
        if name is None:
            found = list(paged(lambda token: client.search_experiments(page_token=token)))
        else:
            found = [client.get_experiment_by_name(name)]
        if None in found:
            raise NotFound(f"the tracking store has no experiment {name}", "check the name")
        return {one.experiment_id: one.name for one in found}

    def _search(self, ids: list[str], where: str, most: int | None) -> Iterator[Any]:
        # By time only: Azure ML does not order by metrics, parameters or tags.
        order, size = ["attributes.start_time DESC"], min(most or PAGE, PAGE)
        ask = self.store.client.search_runs
        return paged(
            lambda token: ask(ids, where, max_results=size, order_by=order, page_token=token)
        )

    def _job(self, run: Any, experiment: str) -> dict[str, Any]:
        services = {"Tracking": {"endpoint": self.shown_uri, "type": "Tracking"}}
        if studio := _studio(self.shown_uri, run.info.run_id):
            services["Studio"] = {"endpoint": studio, "type": "Studio"}
        by = run.info.user_id or run.data.tags.get("mlflow.user")
        return _known(
            name=run.info.run_id,
            display_name=run.info.run_name,
            status=str(run.info.status),
            experiment_name=experiment,
            **_tags(run.data.tags),
            creation_context=_created(run.info.start_time, by),
            services=services,
        )


def _listed(repo: Any, path: str, notes: list[Any], at: tuple[str, Path | None]) -> list[Any]:
    found = list(walk(repo, path, notes, at))
    if path and not found:
        # Stores list nothing below a file: it stands in the list of its folder.
        around = repo.list_artifacts(path.rpartition("/")[0] or None)
        found = [info for info in around if info.path == path and not info.is_dir]
    return sorted(found, key=lambda info: str(info.path))


def paged(ask: Callable[[str | None], Any]) -> Iterator[Any]:
    """Everything that pages hold, as `ask` gives them for a token."""
    token: str | None = None
    seen: set[str] = set()
    while True:
        page = ask(token)
        yield from page
        token = page.token
        if not token:
            return
        if token in seen:
            raise ValueError("the same page again, without end")
        seen.add(token)


def _model(found: Any) -> dict[str, Any]:
    versions = [int(one.version) for one in found.latest_versions or ()]
    changed = found.last_updated_timestamp
    return _known(
        name=found.name,
        latest_version=str(max(versions)) if versions else None,
        description=found.description,
        **_tags(found.tags),
        creation_context=_created(found.creation_timestamp, None, changed),
    )


def _version(found: Any) -> dict[str, Any]:
    stage = found.current_stage
    changed = found.last_updated_timestamp
    return _known(
        name=found.name,
        version=str(found.version),
        path=found.source,
        description=found.description,
        **_tags(found.tags),
        stage=None if stage == "None" else stage,
        job_name=found.run_id,
        creation_context=_created(found.creation_timestamp, found.user_id, changed),
    )


def _known(**facts: Any) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if value not in (None, "")}


def _tags(found: Mapping[str, str] | None) -> dict[str, dict[str, str]]:
    # As in a workspace: what people wrote are tags, what the platform notes are properties.
    ours = {k: v for k, v in (found or {}).items() if k.startswith(_SYSTEM)}
    theirs = {k: v for k, v in (found or {}).items() if k not in ours}
    return {"tags": theirs, "properties": ours}


def _created(at: int | None, by: str | None, changed: int | None = None) -> dict[str, Any]:
    return _known(created_at=instant(at), created_by=by, last_modified_at=instant(changed))


def instant(milliseconds: int | None) -> str | None:
    """MLflow's milliseconds as RFC 3339 in UTC; None for none, and for no date of the calendar."""
    try:
        at = datetime.fromtimestamp((milliseconds or 0) / 1000, timezone.utc)
    except (OverflowError, ValueError, OSError):
        return None  # no date of this calendar: whoever logs a run may write any number
    text = at.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
    return text if milliseconds else None


def _studio(uri: str, run_id: str) -> str | None:
    at = _WORKSPACE.match(uri)
    cloud = _CLOUD.fullmatch(at["host"]) if at else None
    if not (at and cloud):
        return None
    host = _STUDIO.get(cloud["cloud"], cloud["cloud"])
    groups = f"/resourcegroups/{at['group']}/workspaces/{at['name']}"
    return f"https://{host}/runs/{run_id}?wsid=/subscriptions/{at['subscription']}{groups}"


def local_store(tracking_uri: str) -> Path | None:
    """The file or folder of a store on this machine; None for any other."""
    parts = urlsplit(tracking_uri)
    if parts.scheme == "sqlite":
        return Path(unquote(parts.path)[1:])
    return local_path(tracking_uri)


def _must_exist(tracking_uri: str) -> None:
    # MLflow would make an empty store there, and list nothing, for a slip of the pen.
    path = local_store(tracking_uri)
    if path is not None and not path.exists():
        raise BadConfig(f"there is no tracking store at {path}", "see --tracking-uri")
