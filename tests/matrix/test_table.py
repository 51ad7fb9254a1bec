"""The table in the docs is that of the paths, stores and versions of the code."""

from __future__ import annotations

import re
from pathlib import Path

from .paths import PATHS, Versions
from .table import PAGE, expected, render, split

ROOT = Path(__file__).parents[2]
VERSIONS = re.compile(r"mlflow ([\w.]+): azureml-mlflow ([\w.]+)[;.]")


def test_the_table_says_what_the_code_has():
    _, table, _ = split(PAGE.read_text("utf-8"))
    found = [Versions(*one) for one in VERSIONS.findall(table)]
    oldest, azureml, newest = found
    assert oldest == pinned("constraints-oldest.txt")
    assert azureml == pinned("constraints-azureml.txt")
    assert parts(newest.mlflow) >= parts(azureml.mlflow)  # what pip found when it was made
    assert table == render([(versions, expected(versions)) for versions in found])


def test_every_program_is_a_path():
    programs = {one.stem for one in (Path(__file__).parent / "programs").iterdir()}
    assert programs - {"__pycache__"} == {path.name for path in PATHS}


def pinned(file: str) -> Versions:
    said = dict(re.findall(r"^([\w-]+)==(\S+)$", (ROOT / file).read_text("utf-8"), re.M))
    return Versions(said["mlflow"], said["azureml-mlflow"])


def parts(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]
