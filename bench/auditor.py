"""An auditor's environment: what the extra [verify] brings, and nothing else of this one."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

from .servers import CHECKOUT

PACKAGE = "mlflow-evidence-plugin"
NOT_NEEDED = {"mlflow-skinny", "requests"}
"""Of the base install; verification imports neither."""


def make_auditor(place: Path) -> list[str]:
    """The command of `mlflow-evidence` in an environment of links to the packages that it needs."""
    packages = place / Path(sysconfig.get_path("purelib")).relative_to(sys.prefix)
    packages.mkdir(parents=True)
    (place / "bin").mkdir()
    (place / "bin" / "python").symlink_to(Path(sys.executable).resolve())
    (place / "pyvenv.cfg").write_text((Path(sys.prefix) / "pyvenv.cfg").read_text())
    (packages / "mlflow_evidence_plugin").symlink_to(CHECKOUT / "mlflow_evidence_plugin")
    for name in sorted(_needed(Requirement(f"{PACKAGE}[verify]"), set())):
        for top in {
            one.parts[0] for one in distribution(name).files or () if ".." not in one.parts
        }:
            if name != PACKAGE and top != "__pycache__":
                (packages / top).symlink_to(Path(sysconfig.get_path("purelib")) / top)
    command = "from mlflow_evidence_plugin.cli.main import main; main()"
    return [str(place / "bin" / "python"), "-c", command]


def _needed(wanted: Requirement, seen: set[str]) -> set[str]:
    """The distributions that a requirement brings along, itself among them."""
    try:
        found = distribution(wanted.name)
    except PackageNotFoundError:
        return seen
    name = found.metadata["Name"].lower()
    if name in seen and not wanted.extras:
        return seen
    seen.add(name)
    for one in _requires(found.requires or [], wanted.extras):
        if one.name.lower() not in NOT_NEEDED:
            _needed(one, seen)
    return seen


def _requires(lines: list[str], extras: set[str]) -> Iterator[Requirement]:
    for one in map(Requirement, lines):
        if one.marker is None or any(one.marker.evaluate({"extra": e}) for e in ("", *extras)):
            yield one
