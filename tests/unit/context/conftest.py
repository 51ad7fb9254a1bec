from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from mlflow_evidence_plugin.context import notices
from mlflow_evidence_plugin.context.host import Host

WHO = {
    f"GIT_{who}_{what}": "x@example.org"
    for who in ("AUTHOR", "COMMITTER")
    for what in ("NAME", "EMAIL")
}
QUIET = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}


@pytest.fixture(autouse=True)
def forget(monkeypatch):
    """Warnings are told once per process; each test is a process of its own in that."""
    monkeypatch.setattr(notices, "_told", set())


@pytest.fixture
def host(tmp_path):
    """Builds a host in `tmp_path` with the given variables, and `git` on its path."""

    def build(start: Path | None = tmp_path, **env: str) -> Host:
        path = os.environ["PATH"]
        uid = os.geteuid()
        return Host({"PATH": path, **QUIET, **env}, start, tmp_path.parent, "box", uid)

    return build


@pytest.fixture
def git(tmp_path):
    """Runs git in `tmp_path`, where a repository with one commit on `main` was made."""

    def run(*arguments: str, cwd: Path = tmp_path) -> str:
        env = {**os.environ, **WHO, **QUIET}
        command = ["git", *arguments]
        done = subprocess.run(command, cwd=cwd, env=env, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    run("init", "-q", "-b", "main")
    (tmp_path / "train.py").write_text("print()\n")
    run("add", "train.py")
    run("commit", "-q", "-m", "first")
    return run


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path
