"""Installed beside mlflow-skinny as a user would, and taken away again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import mlflow_server

ROOT = Path(__file__).parents[2]
ROOM = 5_000_000
SCRIPT = """
import mlflow
with mlflow.start_run() as run:
    mlflow.log_metric("auc", 0.9)
tags = mlflow.get_run(run.info.run_id).data.tags
print(*sorted(f"{k}={v}" for k, v in tags.items() if k.startswith("evidence.")), sep="\\n")
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory) -> Path:
    """A fresh environment that holds mlflow-skinny."""
    folder = tmp_path_factory.mktemp("fresh")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    if pip(folder, "install", "mlflow-skinny").returncode:
        pytest.skip("mlflow-skinny cannot be installed here: no package index is reached")
    return folder


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    """A copy to build from, so that building leaves nothing in this one."""
    copy = tmp_path_factory.mktemp("checkout") / "project"
    ignored = shutil.ignore_patterns(".*", "demo", "build", "*.egg-info", "__pycache__", "out")
    shutil.copytree(ROOT, copy, ignore=ignored)
    return copy


def test_it_adds_little_stamps_at_once_and_leaves_without_a_trace(environment, checkout, tmp_path):
    before = size(environment)
    installed = pip(environment, "install", "--no-build-isolation", str(checkout))
    if installed.returncode:
        installed = pip(environment, "install", str(checkout))
    assert installed.returncode == 0, installed.stderr
    assert size(environment) - before <= ROOM
    assert not list((environment / "lib").rglob("site-packages/api")), "api must stay out"
    with mlflow_server(tmp_path / "mlflow") as url:
        assert "evidence.owner=jane" in train(environment, url, tmp_path)
        assert pip(environment, "uninstall", "-y", "mlflow-evidence-plugin").returncode == 0
        assert train(environment, url, tmp_path) == []


def train(environment: Path, url: str, folder: Path) -> list[str]:
    (folder / "train.py").write_text(SCRIPT)
    mine = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "EVIDENCE_"))}
    mine |= {"MLFLOW_TRACKING_URI": url, "EVIDENCE_OWNER": "jane"}
    mine |= {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true"}
    python = environment / "bin" / "python"
    done = subprocess.run(
        [python, "train.py"], env=mine, cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def pip(environment: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [environment / "bin" / "python", "-m", "pip", "-q", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def size(environment: Path) -> int:
    return sum(file.stat().st_size for file in environment.rglob("*") if file.is_file())
