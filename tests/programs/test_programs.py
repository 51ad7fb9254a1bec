"""Every run that somebody else's program leaves in a store says who answers for it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.servers import mlflow_server

from .table import PROGRAMS, Program

pytestmark = pytest.mark.skipif(
    find_spec("optuna_integration") is None, reason="the libraries are not here: make test-programs"
)
OWNER = "jo@example.org"
WANTED = {"evidence.schema": "1", "evidence.owner": OWNER}
SECONDS = 300


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> Iterator[str]:
    with mlflow_server(tmp_path_factory.mktemp("server")) as url:
        yield url


@pytest.fixture(scope="session")
def database(tmp_path_factory) -> bytes:
    """An empty store: making the tables takes longer than many a program."""
    folder = tmp_path_factory.mktemp("empty")
    runs(f"sqlite:///{folder / 'mlflow.db'}")
    return (folder / "mlflow.db").read_bytes()


@pytest.fixture(params=["sqlite", "http"])
def store(request, tmp_path) -> str:
    """The tracking URI of a store with no run of ours in it yet."""
    if request.param == "http":
        return request.getfixturevalue("server")
    (tmp_path / "mlflow.db").write_bytes(request.getfixturevalue("database"))
    return f"sqlite:///{tmp_path / 'mlflow.db'}"


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_every_run_is_stamped(program, store, tmp_path, monkeypatch):
    if program.missing:
        pytest.skip(f"not installed: {', '.join(program.missing)}")
    before = runs(store)
    done = start(program, store, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "mlflow-evidence-plugin" not in done.stderr
    found = {uri: tags for uri, tags in runs(store).items() if uri not in before}
    check(found, program.runs)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.chdir(tmp_path)
    for uri, count in program.elsewhere:
        check(runs(uri), count)


def check(found: dict[str, dict[str, str]], count: int) -> None:
    for tags in found.values():
        assert {name: tags.get(name) for name in WANTED} == WANTED, tags
        assert tags["evidence.stamped_by"] in ("create", "resume")
    assert len(found) == count


def start(program: Program, store: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """The program in a clean process, which knows the store and who owns the run."""
    env = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_TRACKING_URI": store,
        "EVIDENCE_OWNER": OWNER,
        "HF_HUB_OFFLINE": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
        "PYTHONWARNINGS": "ignore",
    }
    command = [sys.executable, str(program.script)]
    return subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=SECONDS
    )


def runs(uri: str) -> dict[str, dict[str, str]]:
    """The tags of every run in a store, by run id; of deleted ones and experiments too."""
    from mlflow import MlflowClient
    from mlflow.entities import ViewType

    client = MlflowClient(tracking_uri=uri)
    experiments = client.search_experiments(view_type=ViewType.ALL)
    ids = [each.experiment_id for each in experiments]
    found: Any = client.search_runs(ids, run_view_type=ViewType.ALL, max_results=1000)
    return {run.info.run_id: dict(run.data.tags) for run in found}
