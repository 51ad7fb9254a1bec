"""One cell of the table: the program of a path, on a store, with the mlflow that is installed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path as File
from typing import Any

import pytest

from mlflow_evidence_plugin import tags

from .paths import PATHS, Path, Store, Versions

PROGRAMS = File(__file__).parent / "programs"
WHO = {"EVIDENCE_OWNER": "jo@example.org", "EVIDENCE_TEAM": "variable"}
GIVEN = {"evidence.team": "given"}
"""What every program gives to its runs itself, and what no variable may replace."""

EVERY_PATH = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)


@dataclass(frozen=True)
class Place:
    """A store, a client that looks into it, and all variables of the programs that log to it."""

    name: Store
    client: Any
    env: Mapping[str, str]


def place(name: Store, uri: str, home: File, env: Mapping[str, str] | None = None) -> Place:
    """A store by its address."""
    from mlflow import MlflowClient

    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "GIT_PYTHON_REFRESH": "quiet", "LANG": "C.UTF-8"}
    # First of all the folder of this interpreter: an MLproject says just `python`.
    found = os.pathsep.join((str(File(sys.executable).parent), os.environ["PATH"]))
    said = {**quiet, "HOME": str(home), "MLFLOW_TRACKING_URI": uri, **(env or {}), "PATH": found}
    return Place(name, MlflowClient(uri), said)


def installed() -> Versions:
    """Versions of what the table is about."""
    try:
        return Versions(version("mlflow"), version("azureml-mlflow"))
    except PackageNotFoundError:
        return Versions(version("mlflow"))


def check(path: Path, store: Place, work: File, record: Callable[[str, object], None]) -> None:
    """Run the program; every run and model of its must be stamped, and nothing be said."""
    versions = installed()
    record("mlflow", versions.mlflow)
    record("azureml", versions.azureml)
    if reason := path.missing(store.name, versions):
        pytest.skip(reason)
    experiment = store.client.create_experiment(path.name)
    bare = _bare_run(store, experiment) if path.resumes else ""
    done = program(path, store, work, experiment, bare)
    assert done.returncode == 0, done.stderr
    assert "mlflow-evidence-plugin" not in done.stdout + done.stderr
    runs = {run.info.run_id: run.data.tags for run in store.client.search_runs([experiment])}
    assert len(runs) == path.runs + bool(bare)
    assert len([one for one in runs.values() if GIVEN.items() <= one.items()]) == (
        len(runs) - path.ungiven
    )
    for run_id, found in runs.items():
        assert_stamped(found, "resume" if run_id == bare else "create")
    if path.models:
        models = store.client.search_logged_models(experiment_ids=[experiment])
        assert len(models) == path.models
        for model in models:
            assert_stamped(model.tags, "create")
            assert GIVEN.items() <= model.tags.items()


def assert_stamped(found: Mapping[str, str], by: str) -> None:
    """The tags that the plugin adds are there, all of them of whoever created or first resumed."""
    ours = {name: value for name, value in found.items() if name.startswith(tags.PREFIX)}
    expected = {tags.SCHEMA: "1", tags.STAMPED_BY: by, "evidence.owner": WHO["EVIDENCE_OWNER"]}
    assert expected.items() <= ours.items()
    assert {tags.ENV_DIGEST, tags.HOST} <= set(ours)
    assert ours["evidence.team"] in ("given", "variable")
    assert not [name for name in ours if name.startswith(tags.RESUMED_PREFIX)]


def _bare_run(store: Place, experiment: str) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EVIDENCE_DISABLED", "1")
        run = store.client.create_run(experiment, tags=GIVEN)
    assert tags.STAMPED_BY not in store.client.get_run(run.info.run_id).data.tags
    return run.info.run_id


def program(
    path: Path, store: Place, work: File, experiment: str, bare: str = "", **more: str
) -> subprocess.CompletedProcess[str]:
    """What the program of a path left; `more` are variables."""
    words = [str(PROGRAMS / f"{path.name}.py")]
    if path.name == "project":
        words = ["-m", "mlflow", "run", str(PROGRAMS / "project"), "--env-manager", "local"]
    env = {**store.env, **WHO, "MLFLOW_EXPERIMENT_ID": experiment, **more}
    if path.resumes == "variable":
        env["MLFLOW_RUN_ID"] = bare
    return subprocess.run(
        [sys.executable, *words, *([bare] if path.resumes == "argument" else [])],
        cwd=work,
        env=env,
        timeout=240,
        capture_output=True,
        text=True,
        check=False,
    )
