"""The Dockerfile: linted, tight, and in line with the code. `make image-check` runs its steps."""

from __future__ import annotations

import re
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

from .dockerfile import ROOT, Context, expand, instructions, stages

BUILD, FINAL = stages((ROOT / "Dockerfile").read_text())
CONTEXT = Context.of(ROOT)


def test_hadolint_has_nothing_to_say():
    linter = Path(sys.executable).parent / "hadolint"
    done = subprocess.run([linter, ROOT / "Dockerfile"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
    assert "hadolint ignore" not in (ROOT / "Dockerfile").read_text()


def test_the_base_is_pinned_and_one():
    assert BUILD.base == FINAL.base
    assert re.fullmatch(r"python:3\.11-slim-bookworm(@sha256:[0-9a-f]{64})?", FINAL.base)


def test_it_runs_as_a_number_that_is_nobody_else():
    # A number: an orchestrator cannot tell whether a name is root.
    assert FINAL.last("USER").text == "10001:10001"


def test_no_secret_and_no_registry_is_named():
    for step in instructions((ROOT / "Dockerfile").read_text()):
        if step.name in ("ENV", "ARG", "RUN"):
            assert not re.search(r"(?i)index-url|trusted-host|password|_token|secret", step.text)


def test_the_version_is_that_of_the_package():
    metadata = ConfigParser()
    metadata.read(ROOT / "setup.cfg")
    told = {k: v for step in FINAL.steps if step.name == "ARG" for k, v in step.pairs().items()}
    assert told["VERSION"] == metadata["metadata"]["version"]
    label = FINAL.last("LABEL").pairs()["org.opencontainers.image.version"]
    assert expand(label, told) == told["VERSION"]


@pytest.mark.parametrize(
    "path", ["api/app.py", "setup.cfg", "mlflow_evidence_plugin/record/record.v1.schema.json"]
)
def test_what_is_built_from_is_sent(path):
    assert CONTEXT.sends(path)


@pytest.mark.parametrize(
    "path",
    [".git/config", ".env", "tests/conftest.py", "demo/out/x", "mlruns/0/meta.yaml",
     "api/__pycache__/app.cpython-311.pyc", "deploy/compose.yaml", "signing-key.pem"],
)  # fmt: skip
def test_what_is_not_needed_stays(path):
    assert not CONTEXT.sends(path)


def test_everything_that_is_copied_is_sent():
    for stage in (BUILD, FINAL):
        for step in stage.steps:
            if step.name == "COPY" and not step.text.startswith("--from="):
                for source in step.text.split()[:-1]:
                    assert CONTEXT.files(source), source


def test_an_unknown_instruction_is_not_skipped():
    with pytest.raises(ValueError, match="ONBUILD"):
        list(instructions("FROM x\nONBUILD RUN true\n"))
