"""sigstore-js verifies every bundle that we emit, and refuses each tampered twin."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from mlflow_evidence_plugin.signing import SigningKey, bundle_of
from mlflow_evidence_plugin.statements import READERS
from tests.interop.conftest import tampered

HERE = Path(__file__).parent
MODULES = HERE / "node_modules" / "@sigstore" / "verify"
pytestmark = [
    pytest.mark.skipif(not shutil.which("node"), reason="no Node on this machine"),
    pytest.mark.skipif(
        bool(shutil.which("npm")) < (not MODULES.exists()), reason="no npm to install sigstore-js"
    ),
]


def node(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = ["node", str(HERE / "verify.cjs"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=HERE, timeout=60)


def test_every_bundle_verifies(emitted, tmp_path):
    bundles = emitted.bundles(tmp_path)
    assert set(bundles) == set(READERS)
    done = node(emitted.public, *bundles.values())
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines() == [f"ok {path}" for path in bundles.values()]


@pytest.mark.parametrize("kind", READERS)
def test_its_tampered_twin_does_not(kind, emitted, tmp_path):
    (tmp_path / "twin").write_bytes(bundle_of(tampered(emitted.envelopes[kind]), emitted.key.id))
    done = node(emitted.public, tmp_path / "twin")
    assert done.returncode == 1
    assert "SIGNATURE_ERROR" in done.stdout


def test_nor_does_one_of_another_key(emitted, tmp_path):
    other = SigningKey.create(tmp_path / "other.pem")
    (tmp_path / "public.pem").write_bytes(other.public_pem)
    bundles = emitted.bundles(tmp_path)
    done = node(tmp_path / "public.pem", *bundles.values())
    assert done.returncode == 1
    assert done.stdout.count("SIGNATURE_ERROR") == len(bundles)
