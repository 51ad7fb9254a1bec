"""openssl, with the commands of docs/evidence.md as they stand there."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from mlflow_evidence_plugin.statements import READERS
from tests.interop.conftest import tampered

PAGE = Path(__file__).parents[2] / "docs" / "evidence.md"
LACKING = [name for name in ("openssl", "jq") if not shutil.which(name)]
pytestmark = pytest.mark.skipif(bool(LACKING), reason=f"not on this machine: {LACKING}")


def verify(envelope: bytes, pem: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    (script,) = re.findall(r"^```sh run\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S)
    (folder / "envelope.json").write_bytes(envelope)
    shutil.copy(pem, folder / "public-key.pem")
    return subprocess.run(
        ["sh", "-ec", script], cwd=folder, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("kind", READERS)
def test_an_envelope_verifies_and_its_tampered_twin_does_not(kind, emitted, tmp_path):
    done = verify(emitted.envelopes[kind], emitted.public, tmp_path)
    assert (done.returncode, done.stdout) == (0, "Verified OK\n"), done.stderr
    assert verify(tampered(emitted.envelopes[kind]), emitted.public, tmp_path).returncode == 1
