"""One tracking-and-registry pair: what the service may ask of it."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..errors import NotFound
from ..snapshot import RunSnapshot, VersionSnapshot
from . import azure
from .artifacts import FileReader, Observe, Progress, Scratch, SizeReader
from .asking import MALFORMED, asked, code_of
from .locations import Roots
from .runs import RunReader
from .versions import read_version, versions_of_run

READERS = 8
"""Reads of one capture that are under way side by side."""


@dataclass(frozen=True)
class RegisteredVersion:
    """A model version as the registry has it now. `stage` is None where it is in none."""

    model: str
    version: str
    stage: str | None
    aliases: tuple[str, ...]


class MlflowStore:
    """Reads runs and model versions, through MLflow's own client."""

    def __init__(
        self,
        tracking_uri: str,
        registry_uri: str | None,
        roots: Roots,
        scratch_bytes: int,
        readers: int = READERS,
    ) -> None:
        self.tracking_uri = tracking_uri
        self.registry_uri = registry_uri or None
        self.roots = roots
        self.readers = readers
        self.scratch = Scratch(scratch_bytes)

    @cached_property
    def client(self) -> Any:
        """MLflow's client, made at first use: importing mlflow takes a second."""
        azure.prepare(self.tracking_uri)
        import mlflow

        # Some artifact clients read the process-global URI: one store a process.
        mlflow.set_tracking_uri(self.tracking_uri)
        if self.registry_uri:
            mlflow.set_registry_uri(self.registry_uri)
        return mlflow.MlflowClient(self.tracking_uri, self.registry_uri)

    def identify(self) -> None:
        """StoreRefused unless this process has an identity to show to the store."""
        with asked("experiments"):
            self.client._tracking_client.store.get_host_creds()

    def ping(self) -> None:
        """StoreUnavailable or StoreRefused unless the store answers a small question."""
        with asked("experiments"):
            self.client.search_experiments(max_results=1)

    def experiment_of(self, run_id: str) -> str:
        """The name of the experiment that a run belongs to; NotFound for an unknown run."""
        with asked(f"run {run_id}"):
            run = self.client.get_run(run_id)
            found = self.client.get_experiment(run.info.experiment_id)
            if run.info.run_id != run_id or not found.name:
                raise ValueError("another run was answered, or none")
            return str(found.name)

    def experiment_of_version(self, name: str, version: str) -> str | None:
        """The experiment of the version's source run; None when it has no run, or no more."""
        with asked(f"version {version} of model {name}"):
            run_id = self.client.get_model_version(name, version).run_id
        try:
            return self.experiment_of(run_id) if run_id else None
        except NotFound:
            return None

    def version_of_alias(self, name: str, alias: str) -> str:
        """The version that holds an alias now; NotFound when none does."""
        return self.holder(name, alias)[0]

    def holder(self, name: str, alias: str) -> tuple[str, int]:
        """The version that holds an alias now, and when it was made (ms); NotFound.

        A model that was deleted and made again counts its versions from 1 again: the number alone
        does not tell which one it is.
        """
        with asked(f"alias {alias} of model {name}"):
            try:
                found = self.client.get_model_version_by_alias(name, alias)
                if found.name != name or not found.version:
                    raise ValueError("another model was answered, or none")
                return str(found.version), int(found.creation_timestamp or 0)
            except Exception as error:
                # MLflow says "invalid parameter" for an alias that nobody holds.
                if code_of(error) in MALFORMED:
                    raise NotFound(
                        f"no version of model {name} holds the alias {alias}",
                        "set the alias in the registry, or ask for a version",
                    ) from error
                raise

    def knows_model(self, name: str) -> bool:
        """Whether the registry has a model of that name."""
        try:
            with asked(f"model {name}"):
                return bool(self.client.get_registered_model(name).name == name)
        except NotFound:
            return False

    def knows_version(self, name: str, version: str) -> bool:
        """Whether the registry has that version of a model."""
        try:
            with asked(f"version {version} of model {name}"):
                return bool(self.client.get_model_version(name, version).name == name)
        except NotFound:
            return False

    def stage_holder(self, name: str, stage: str) -> tuple[str, int]:
        """The newest version in one of the registry's legacy stages, as `holder` does; NotFound."""
        with asked(f"stage {stage} of model {name}"):
            found = self.client.get_latest_versions(name, [stage])
            if any(one.name != name or not one.version for one in found):
                raise ValueError("another model was answered")
        if not found:
            said = f"no version of model {name} is in the stage {stage}"
            raise NotFound(said, "give it an alias or a stage in the registry")
        newest = max(found, key=lambda one: int(one.version))
        return str(newest.version), int(newest.creation_timestamp or 0)

    def versions_of(self, run_id: str) -> list[RegisteredVersion]:
        """The model versions that were made from a run, as the registry has them now."""
        with asked(f"the model versions of run {run_id}"):
            found = [one for one in versions_of_run(self.client, run_id) if one.run_id == run_id]
            # A search leaves out who holds which alias: the model itself knows.
            names = {one.name for one in found}
            held = {name: self.client.get_registered_model(name).aliases or {} for name in names}
            return [_registered(one, held[one.name]) for one in found]

    def run(
        self, run_id: str, observe: Observe, progress: Progress, contents: bool = True
    ) -> RunSnapshot:
        """Everything about one run. What cannot be read is a gap; an unknown run is NotFound.

        Without `contents` files have sizes and no digests, and metrics no history: it is quick.
        """
        with ThreadPoolExecutor(self.readers, "collect") as pool:
            reader = FileReader if contents else SizeReader
            files = reader(self.roots, observe, self.scratch, pool, progress)
            with asked(f"run {run_id}"):
                found = self.client.get_run(run_id)
                if found.info.run_id != run_id:
                    raise ValueError("another run was answered")
            reading = RunReader(self.client, pool, files, self.repository, histories=contents)
            return reading.read(found)

    def version(
        self,
        name: str,
        version: str,
        observe: Observe,
        progress: Progress,
        contents: bool = True,
    ) -> VersionSnapshot:
        """Everything about one model version and its source run; `contents` as for a run."""
        with asked(f"version {version} of model {name}"):
            found = self.client.get_model_version(name, version)
            if found.name != name or not found.version:
                raise ValueError("another model was answered, or none")
        run = None
        if found.run_id:
            try:
                run = self.run(found.run_id, observe, progress, contents)
            except NotFound:
                run = None  # said as a gap below: the version outlived its run
        with ThreadPoolExecutor(self.readers, "collect") as pool:
            reader = FileReader if contents else SizeReader
            files = reader(self.roots, observe, self.scratch, pool, progress)
            return read_version(self.client, files, self.repository, found, run)

    def repository(self, uri: str) -> Any:
        """MLflow's client for the artifacts at a location; ask the roots first."""
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        found = get_artifact_repository(uri)
        return azure.WorkspaceFiles(found) if azure.is_workspace(uri) else found


def _registered(version: Any, held: Mapping[str, Any]) -> RegisteredVersion:
    stage = None if version.current_stage in (None, "None") else str(version.current_stage)
    number = str(version.version)
    aliases = tuple(sorted(alias for alias, holder in held.items() if str(holder) == number))
    return RegisteredVersion(version.name, number, stage, aliases)
