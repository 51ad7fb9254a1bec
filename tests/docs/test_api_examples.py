"""The examples of docs/api.md, run in the order in which they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.processes import Running, running
from tests.world import POLICY

PAGE = Path(__file__).parent.parent.parent / "docs" / "api.md"
BLOCK = re.compile(r"^```(sh|python) run\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def service(mlflow_url, maker, tmp_path_factory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("examples")
    (folder / "policy.yaml").write_text(POLICY, "utf-8")
    env = {"TRACKING_URI": mlflow_url, "POLICY_FILE": str(folder / "policy.yaml")}
    with running(folder / "home", **env) as service:
        yield service


def test_every_example_does_what_the_page_says(service, world, tmp_path):
    blocks = BLOCK.findall(PAGE.read_text("utf-8"))
    assert len(blocks) >= 6
    env = {**os.environ, "EVIDENCE_URL": service.url, "EVIDENCE_TOKEN": service.token}
    env |= {"NO_PROXY": "*", "no_proxy": "*"}
    pythons = ""
    told = []
    for language, text in blocks:
        if language == "python":
            # A later block goes on where an earlier one stopped, as a reader would.
            pythons += text
            command = [sys.executable, "-c", pythons]
        else:
            command = ["bash", "-euo", "pipefail", "-c", text]
        done = subprocess.run(
            command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, text + done.stdout + done.stderr
        told.append(done.stdout)
    assert '"state":"done"' in told[0].replace(" ", "").replace("\n", "")
    assert "# " in told[3] and "auc" in told[2]
    assert any('"allowed":true' in one for one in told)
