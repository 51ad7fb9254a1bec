"""OpenSSF model signing: the same statement as its own, and its program verifies the model."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf.json_format import MessageToDict
from model_signing import hashing
from model_signing._signing.signing import Payload

from mlflow_evidence_plugin.signing import bundle_of
from mlflow_evidence_plugin.statements import MODEL_SIGNATURE
from tests.interop.conftest import tampered

ODD = {"model/MLmodel": "x\n", "model/tokenizer.json": "{}\n", "model/tokenizer/merges.txt": "a\n"}
"""Ordered by parts of the path, as model_signing does, the folder comes before the file."""


def payload_of(model: Path) -> dict:
    """The library's own statement about a directory, with every file in it."""
    config = hashing.Config().set_ignored_paths(paths=[], ignore_git_paths=False)
    return MessageToDict(Payload(config.hash(model)).statement.pb)


def verify(model: Path, signature: Path, key: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "model_signing", "verify", "key", "--no-ignore-git-paths"]
    command += ["--signature", str(signature), "--public_key", str(key), str(model)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.fixture
def model(emitted, tmp_path) -> Path:
    return Path(shutil.copytree(emitted.model, tmp_path / "model"))


@pytest.fixture
def signature(emitted, tmp_path) -> Path:
    path = tmp_path / "model.sig"
    path.write_bytes(bundle_of(emitted.envelopes[MODEL_SIGNATURE], emitted.key.id))
    return path


def test_the_statement_is_the_one_that_the_library_makes(emitted):
    ours, theirs = emitted.statement(MODEL_SIGNATURE), payload_of(emitted.model)
    assert theirs["subject"][0].pop("name") == "model"
    assert ours["subject"][0].pop("name") == emitted.record.subject.name
    assert ours == theirs


def test_its_program_verifies_the_model(emitted, model, signature):
    done = verify(model, signature, emitted.public)
    assert done.returncode == 0, done.stderr


ALTERED = {
    "changed": lambda model: (model / "weights.bin").write_bytes(b"other"),
    "missing": lambda model: (model / "weights.bin").unlink(),
    "added": lambda model: (model / "backdoor.py").write_text("x"),
    "git-file-changed": lambda model: (model / ".gitattributes").write_text("x"),
    "renamed": lambda model: (model / "MLmodel").rename(model / "MLmodel.bak"),
}


@pytest.mark.parametrize("name", ALTERED)
def test_its_program_refuses_an_altered_model(name, emitted, model, signature):
    ALTERED[name](model)
    assert verify(model, signature, emitted.public).returncode == 1


def test_its_program_refuses_a_tampered_statement_and_another_key(emitted, model, tmp_path):
    envelope = emitted.envelopes[MODEL_SIGNATURE]
    for name, data, hint in (
        ("payload", tampered(envelope), emitted.key.id),
        ("hint", envelope, "0" * 64),
    ):
        (tmp_path / name).write_bytes(bundle_of(data, hint))
        assert verify(model, tmp_path / name, emitted.public).returncode == 1, name


def test_a_folder_beside_a_file_of_its_name_verifies_too(emit, tmp_path):
    found = emit(ODD)
    path = tmp_path / "model.sig"
    path.write_bytes(bundle_of(found.envelopes[MODEL_SIGNATURE], found.key.id))
    done = verify(found.model, path, found.public)
    assert done.returncode == 0, done.stderr
