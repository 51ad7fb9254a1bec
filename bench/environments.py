"""Two virtual environments that differ in one thing: whether the plugin is installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .servers import CHECKOUT

PACKAGE = "mlflow_evidence_plugin"
PROGRAM = "train.py"

GOVERNED = {
    "EVIDENCE_OWNER": "ana@example.org",
    "EVIDENCE_TICKET": "CHG0012345",
    "EVIDENCE_ENVIRONMENT": "staging",
    "EVIDENCE_COST_CENTER": "4711",
}
EVIDENCE_TOML = """[governance]
team = "credit-risk"
support = "https://support.example.org/credit-risk"
data_classification = "confidential"
rollback = "alias champion back to the version before"
monitoring = "https://grafana.example.org/d/credit-risk"
runbook = "https://wiki.example.org/credit-risk/runbook"
change_window = "Tue 08:00-10:00 UTC"
"""


def make_environments(place: Path) -> dict[str, Path]:
    """The interpreters `with` and `without` the plugin: links to this environment's own packages.

    Neither has the editable install's import hook: the plugin lies there as a wheel lays it.
    """
    ours, peer = place / "with", place / "without"
    for folder in (ours, peer):
        _mirror(folder)
    (_packages(ours) / PACKAGE).symlink_to(CHECKOUT / PACKAGE)
    about = next(_packages(Path(sys.prefix)).glob(f"{PACKAGE}-*.dist-info"))
    (_packages(ours) / about.name).symlink_to(about)
    return {folder.name: folder / "bin" / "python" for folder in (ours, peer)}


def make_repository(place: Path) -> Path:
    """A team's repository: a remote, commits, an evidence.toml and the training program."""
    place.mkdir()
    (place / "evidence.toml").write_text(EVIDENCE_TOML)
    shutil.copy(Path(__file__).parent / "programs" / PROGRAM, place / PROGRAM)
    (place / "features").mkdir()
    for number in range(50):
        (place / "features" / f"feature_{number}.py").write_text(f"WEIGHT = {number}\n")
    _git(place, "init", "--initial-branch=main")
    _git(place, "remote", "add", "origin", "https://git.example.org/credit-risk/model.git")
    _git(place, "add", ".")
    for message in ("Start", "Tune", "Release"):
        _git(place, "commit", "--allow-empty", "-m", message)
    return place


@contextmanager
def program(python: Path, repository: Path, tracking_uri: str) -> Iterator[Program]:
    """The training program as a process which takes turns on command."""
    process = subprocess.Popen(
        [python, PROGRAM],
        cwd=repository,
        env=_governed(repository.parent, tracking_uri),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield Program(process)
    finally:
        process.kill()
        process.communicate()


class Program:
    """The far end of programs/train.py."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def do(self, command: str, count: int = 1) -> Any:
        """Have a command carried out; its measurements."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(f"{command} {count}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the training program ended at: {command} {count}")
        return json.loads(answer)


def _governed(home: Path, tracking_uri: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_TRACKING_URI": tracking_uri,
        **GOVERNED,
    }


def _mirror(folder: Path) -> None:
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(Path(sys.executable).resolve())
    shutil.copy(Path(sys.prefix) / "pyvenv.cfg", folder)
    packages = _packages(folder)
    packages.mkdir(parents=True)
    for entry in _packages(Path(sys.prefix)).iterdir():
        if PACKAGE not in entry.name:  # the package, its dist-info, an editable install's hook
            (packages / entry.name).symlink_to(entry)


def _packages(prefix: Path) -> Path:
    return prefix / Path(sysconfig.get_path("purelib")).relative_to(sys.prefix)


def _git(place: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=Ana", "-c", "user.email=ana@example.org"]
    subprocess.run(["git", *identity, *arguments], cwd=place, check=True, capture_output=True)
