"""Runs real programs in clean interpreters, as somebody's training would be run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.servers import mlflow_server, recording_proxy

REPORT = """
def report(*run_ids):
    import json, mlflow
    client = mlflow.MlflowClient()
    runs = {i: dict(client.get_run(i).data.tags) for i in run_ids}
    print("REPORT" + json.dumps([runs[i] for i in run_ids]), flush=True)
"""

TRAIN = """
import mlflow
with mlflow.start_run() as run:
    mlflow.log_metric("auc", 0.9)
"""
"""A training script that knows nothing of the plugin."""


@dataclass(frozen=True)
class Done:
    """A finished program."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def tags(self) -> list[dict[str, str]]:
        """The tags of the runs that the program reported."""
        assert self.code == 0, self.err
        (line,) = [line for line in self.out.splitlines() if line.startswith("REPORT")]
        return json.loads(line.removeprefix("REPORT"))

    @property
    def warnings(self) -> list[str]:
        return [line for line in self.err.splitlines() if "mlflow-evidence-plugin:" in line]


@pytest.fixture(scope="session")
def database(tmp_path_factory) -> Path:
    """An empty store: making the tables takes longer than any test."""
    directory = tmp_path_factory.mktemp("store")
    code = "import mlflow; mlflow.search_experiments()"
    uri = f"sqlite:///{directory / 'mlflow.db'}"
    env = clean(directory) | {"MLFLOW_TRACKING_URI": uri}
    subprocess.run([sys.executable, "-c", code], cwd=directory, env=env, check=True, timeout=120)
    return directory / "mlflow.db"


def clean(home: Path) -> dict[str, str]:
    """Nothing of the tester's own environment."""
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONWARNINGS": "ignore"}
    return {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", **quiet}


@pytest.fixture
def run(tmp_path, database):
    """Runs a script in `tmp_path/work`, against a store of its own unless `env` names another."""
    work = tmp_path / "work"
    work.mkdir()
    shutil.copy(database, tmp_path / "mlflow.db")
    base = clean(tmp_path) | {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path / 'mlflow.db'}"}

    def start(script: str, env: dict[str, Any] | None = None, **options: Any) -> Done:
        file = work / "train.py"
        file.write_text(REPORT + textwrap.dedent(script), encoding="utf-8")
        said = {k: v for k, v in (base | (env or {})).items() if v is not None}
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, *options.pop("flags", ()), str(file)],
            **{"cwd": work, "env": said, "timeout": 120, **options},
            capture_output=True,
            text=True,
        )
        return Done(done.returncode, done.stdout, done.stderr, time.monotonic() - began)

    start.work = work
    return start


@pytest.fixture(scope="session")
def server_folder(tmp_path_factory) -> Path:
    """Where the tracking server keeps its database and artifacts."""
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="session")
def server(server_folder):
    """A tracking server behind a proxy: the proxy's URL and the requests it has seen."""
    with (
        mlflow_server(server_folder) as url,
        recording_proxy(url) as (proxy, seen),
    ):
        yield proxy, seen


@pytest.fixture(scope="session")
def without_the_plugin() -> dict[Any, Any]:
    """What programs leave without it, where nothing but the plugin could make a difference."""
    return {}


@pytest.fixture
def twice(tmp_path, database, without_the_plugin) -> Any:
    """Runs a program with the plugin and without, and compares all that it leaves."""
    from .alike import Twice

    return Twice(tmp_path, database, without_the_plugin)
