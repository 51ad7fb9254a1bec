"""The commit is right or absent, whatever lies where a repository should be."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

WHO = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "protocol.file.allow=always")
DATES = {"GIT_AUTHOR_DATE": "2026-01-01T00:00Z", "GIT_COMMITTER_DATE": "2026-01-01T00:00Z"}


def git(folder: Path, *arguments: str) -> str:
    """Git in the folder. The same commits have the same names, at whatever time they are made."""
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "GIT_CONFIG_SYSTEM": "/dev/null",
        **DATES,
    }
    command = ["git", *WHO, *arguments]
    return subprocess.run(
        command, cwd=folder, env=env, check=True, capture_output=True, text=True
    ).stdout.strip()


def repository(folder: Path, message: str = "first") -> str:
    """A repository with one commit: its name."""
    folder.mkdir(exist_ok=True)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "commit", "-q", "--allow-empty", "-m", message)
    return git(folder, "rev-parse", "HEAD")


def worktree(work: Path) -> str:
    repository(work)
    git(work, "commit", "-q", "--allow-empty", "-m", "second")
    git(work, "worktree", "add", "-q", "-b", "other", "tree", "HEAD~1")
    return git(work / "tree", "rev-parse", "HEAD")


def submodule(work: Path) -> str:
    repository(work, "outer")
    commit = repository(work.parent / "library", "of the library")
    git(work, "submodule", "--quiet", "add", str(work.parent / "library"), "tree")
    return commit


def bare(work: Path) -> None:
    git(work, "init", "-q", "--bare", "tree")


def pointing_nowhere(work: Path) -> None:
    (work / "tree").mkdir()
    (work / "tree" / ".git").write_text("gitdir: /nowhere/at/all\n")


def garbage(work: Path) -> None:
    (work / "tree" / ".git").mkdir(parents=True)
    (work / "tree" / ".git" / "HEAD").write_text("garbage")


def without_head(work: Path) -> None:
    repository(work / "tree")
    (work / "tree" / ".git" / "HEAD").unlink()


def without_objects(work: Path) -> None:
    repository(work / "tree")
    git(work, "-C", "tree", "commit", "-q", "--allow-empty", "-m", "second")
    for file in (work / "tree" / ".git" / "objects").rglob("??*"):
        if file.is_file():
            file.unlink()
    (work / "tree" / ".git" / "config").write_bytes(b"\0\xff[[[")


def of_another_user(work: Path) -> None:
    repository(work / "tree")
    if os.geteuid() == 0:
        for one in (work / "tree", *(work / "tree" / ".git").rglob("*"), work / "tree" / ".git"):
            os.chown(one, 4242, 4242)


def a_fifo(work: Path) -> None:
    (work / "tree").mkdir()
    os.mkfifo(work / "tree" / ".git")


SHAPES = (
    worktree,
    submodule,
    bare,
    pointing_nowhere,
    garbage,
    without_head,
    without_objects,
    of_another_user,
    a_fifo,
)
PROGRAM = """
import mlflow
with mlflow.start_run(run_name="one"):
    print("trains", flush=True)
    mlflow.log_metric("auc", 0.9)
"""


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_a_repository(twice, shape):
    told: list[str | None] = []

    def prepare(work: Path) -> None:
        shutil.rmtree(work.parent / "library", ignore_errors=True)
        told.append(shape(work))
        # Started by another name: its own place is where the link leads.
        (work / "train.py").rename(work / "tree" / "train.py")
        (work / "train.py").symlink_to("tree/train.py")

    left = twice({"GIT_PYTHON_REFRESH": "quiet"}, PROGRAM, prepare, own=False, most=0)
    if shape is of_another_user and os.geteuid() != 0:
        pytest.skip("only root can give a repository away")
    assert left.tags[0].get("evidence.git.commit") == told[-1]
    assert left.seconds < 60
