"""One workspace on loopback HTTPS, and programs in clean interpreters that log to it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from .names import GROUP, NAME, SUBSCRIPTION

NEEDS_AZUREML = pytest.mark.skipif(
    find_spec("azureml") is None, reason="azureml-mlflow is not here: make test-azureml"
)

REPORT = """
def report(*run_ids):
    import json, mlflow
    client = mlflow.MlflowClient()
    runs = [client.get_run(i) for i in run_ids]
    told = [{"id": r.info.run_id, "status": r.info.status, "tags": r.data.tags} for r in runs]
    print("REPORT" + json.dumps(told), flush=True)
"""


@dataclass(frozen=True)
class Done:
    """A finished program."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def runs(self) -> list[dict[str, Any]]:
        """Id, status and tags of the runs that the program reported."""
        assert self.code == 0, self.err
        (line,) = [line for line in self.out.splitlines() if line.startswith("REPORT")]
        return json.loads(line.removeprefix("REPORT"))

    @property
    def warnings(self) -> list[str]:
        return [line for line in self.err.splitlines() if "mlflow-evidence-plugin:" in line]


Run = Callable[..., Done]


@pytest.fixture(scope="session")
def workspace(tmp_path_factory) -> Iterator[Any]:
    """The double, on a free port."""
    from .serving import serving

    with serving(tmp_path_factory.mktemp("workspace")) as made:
        yield made


@pytest.fixture(scope="session")
def client_env(workspace) -> dict[str, str]:
    """All variables of a program with the identity of a compute; nothing of the tester's own."""
    from .serving import trusting

    return {**clean(workspace.root), **trusting(workspace)}


@pytest.fixture(scope="session")
def in_workspace(client_env) -> Iterator[None]:
    """This process is a client of the workspace, until its tests have ended."""
    import mlflow

    before = mlflow.get_tracking_uri()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MLFLOW_TRACKING_URI", "AZUREML_CURRENT_CLOUD", "MSI_ENDPOINT", "MSI_SECRET"):
            patch.setenv(name, client_env[name])
        patch.setenv("REQUESTS_CA_BUNDLE", client_env["REQUESTS_CA_BUNDLE"])
        yield
    mlflow.set_tracking_uri(before)


@pytest.fixture(scope="session")
def world(workspace, in_workspace, tmp_path_factory) -> Any:
    """Runs and a model."""
    from .world import populate

    return populate(workspace.uri, tmp_path_factory.mktemp("model"))


def clean(home: Path) -> dict[str, str]:
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONWARNINGS": "ignore"}
    once = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    return {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", **quiet, **once}


@pytest.fixture
def run(tmp_path, client_env) -> Run:
    """Runs a script; `env` adds variables, or takes some away with None."""

    def start(script: str, env: dict[str, Any] | None = None) -> Done:
        (tmp_path / "train.py").write_text(REPORT + textwrap.dedent(script), "utf-8")
        return ended([sys.executable, "train.py"], tmp_path, {**client_env, **(env or {})})

    return start


def ended(command: list[str], work: Path, env: dict[str, Any]) -> Done:
    said, began = {k: v for k, v in env.items() if v is not None}, time.monotonic()
    done = subprocess.run(
        command, cwd=work, env=said, timeout=120, capture_output=True, text=True, check=False
    )
    return Done(done.returncode, done.stdout, done.stderr, time.monotonic() - began)


def job(workspace: Any, run_id: str, experiment: str = "0") -> dict[str, Any]:
    """The variables that Azure ML gives to a job, tokens among them, and no managed identity."""
    return {
        "MLFLOW_RUN_ID": run_id,
        "MLFLOW_EXPERIMENT_ID": experiment,
        "MLFLOW_TRACKING_TOKEN": workspace.token(),
        "MLFLOW_TRACKING_URI": workspace.uri,
        "AZUREML_RUN_ID": run_id,
        "AZUREML_ROOT_RUN_ID": run_id,
        "AZUREML_RUN_TOKEN": workspace.token(),
        "AZUREML_ARM_SUBSCRIPTION": SUBSCRIPTION,
        "AZUREML_ARM_RESOURCEGROUP": GROUP,
        "AZUREML_ARM_WORKSPACE_NAME": NAME,
        "AZUREML_DATASETS": f"https://storage.example.net/d?sig={workspace.secret}",
        "MSI_ENDPOINT": None,
        "MSI_SECRET": None,
    }
