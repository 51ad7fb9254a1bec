"""One registered model version: its facts and the files that it consists of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..snapshot import Gap, RunSnapshot, Secret, VersionSnapshot
from .artifacts import FileReader
from .asking import MISSING, code_of

LOOK_BACK = 20
"""How many deleted versions in a row are stepped over to find the previous one."""


def read_version(
    client: Any,
    files: FileReader,
    repository: Callable[[str], Any],
    found: Any,
    run: RunSnapshot | None,
) -> VersionSnapshot:
    """The snapshot of an `mlflow.entities.model_registry.ModelVersion`."""
    gaps: list[Gap] = []
    if found.run_id and run is None:
        gaps.append(Gap("run", "not-found", f"the source run {found.run_id} is gone"))
    notes: list[Secret | Gap] = []
    artifacts: tuple[Any, ...] = ()
    try:
        location = location_of(client, found)
    except Exception as error:
        reason = f"the model's location is unknown: {type(error).__name__}"
        gaps.append(Gap("model_files", "not-found", reason))
    else:
        read, notes = _files(files, repository, location, run)
        artifacts = tuple(read)
    previous = _previous(client, found, gaps)
    return VersionSnapshot(
        name=found.name,
        version=str(found.version),
        run_id=found.run_id or None,
        creator=found.user_id or "",
        created=found.creation_timestamp,
        source=found.source or "",
        description=found.description or "",
        tags=dict(found.tags or {}),
        files=artifacts,
        previous=str(previous.version) if previous else None,
        previous_created=previous.creation_timestamp if previous else 0,
        run=run,
        secrets=tuple(n for n in notes if isinstance(n, Secret)),
        gaps=(*gaps, *(n for n in notes if isinstance(n, Gap))),
    )


def versions_of_run(client: Any, run_id: str) -> list[Any]:
    """MLflow's `ModelVersion`s that were made from a run."""
    found, token = [], None
    while True:
        page = client.search_model_versions(f"run_id='{run_id}'", page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def location_of(client: Any, found: Any) -> str:
    """Where the files of an `mlflow.entities.model_registry.ModelVersion` are."""
    location = str(client.get_model_version_download_uri(found.name, found.version))
    if location.startswith("models:/m-"):
        return str(client.get_logged_model(location.removeprefix("models:/")).artifact_location)
    if location.startswith("runs:/"):
        run_id, _, path = location.removeprefix("runs:/").partition("/")
        return f"{client.get_run(run_id).info.artifact_uri}/{path}"
    return location


def _files(
    files: FileReader, repository: Callable[[str], Any], location: str, run: RunSnapshot | None
) -> tuple[list[Any], list[Secret | Gap]]:
    within = f"{run.artifact_uri.rstrip('/')}/" if run else "\0"
    if run and location.startswith(within):
        # The run's files were hashed a moment ago: take the model's from among them.
        prefix = location.removeprefix(within).strip("/") + "/"
        inside = [a for a in run.artifacts if a.path.startswith(prefix)]
        if inside:
            return [replace(a, path=a.path.removeprefix(prefix)) for a in inside], []
    return files.read(repository, location, "model_files")


def _previous(client: Any, found: Any, gaps: list[Gap]) -> Any:
    """MLflow's `ModelVersion` before this one; None where there is none, or it is unreadable."""
    here = int(found.version) if str(found.version).isdigit() else 0
    for number in range(here - 1, max(here - 1 - LOOK_BACK, 0), -1):
        try:
            return client.get_model_version(found.name, str(number))
        except Exception as error:
            if code_of(error) in MISSING:
                continue  # deleted: look further back
            gaps.append(Gap("lineage/previous_version", "unreadable", type(error).__name__))
            return None
    if here - 1 > LOOK_BACK:
        said = f"the {LOOK_BACK} versions before it are gone, and no more were looked for"
        gaps.append(Gap("lineage/previous_version", "unreadable", said))
    return None
