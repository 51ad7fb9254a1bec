"""MLflow's own description of a model: what it says of the signature, and never more than that."""

from __future__ import annotations

import json

import numpy as np
import pytest
from mlflow.models import Model
from mlflow.models.signature import infer_signature

from mlflow_evidence_plugin.collect.modelfile import LIMIT, ModelFile
from mlflow_evidence_plugin.record import record_of
from mlflow_evidence_plugin.record.drift import drift
from mlflow_evidence_plugin.snapshot import Artifact
from tests.unit import samples


def described(signature=None) -> str:
    """A file as this MLflow writes it."""
    return Model(flavors={"python_function": {}}, signature=signature).to_yaml()


def said(text, path="model/MLmodel", chunk=7):
    data, seen = text.encode(), ModelFile(path)
    for at in range(0, len(data), chunk):
        seen.update(data[at : at + chunk])
    return seen.signature()


def test_the_parts_of_a_signature_are_told_as_mlflow_wrote_them():
    signature = infer_signature({"age": 1.0}, np.array([1.0]), params={"t": 0.5})
    told = dict(said(described(signature)))
    assert list(told) == ["inputs", "outputs", "params"]
    assert told == {k: v for k, v in signature.to_dict().items() if v}
    assert json.loads(told["inputs"])[0]["name"] == "age"
    assert dict(said(described(signature), path="MLmodel", chunk=1 << 20)) == told


def test_a_model_without_a_signature_has_none():
    assert said(described()) == ()
    assert said("flavors: {}\nsignature: null\n") == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "flavors",
        "signature: {inputs: '[]'}",
        "flavors: {}\nsignature: [1]",
        "flavors: {}\nsignature: yes",
        "flavors: {}\nsignature: {inputs: [1]}",
        "flavors: {}\nsignature: {inputs: 2026-99-99}",
        "flavors: {}\nsignature: !!python/object/apply:os.system ['true']",
        "flavors: {}\n? [a]\n: b\n? {}\n: c",
        "flavors: {\x00}",
        "[" * 100_000,
        "- " * 100_000,
        "{a: " * 60 + "1" + "}" * 60,
        "flavors: {}\n#" + "x" * LIMIT,
    ],
    ids=lambda text: text[:24] or "empty",
)
def test_what_is_not_as_mlflow_writes_it_tells_nothing(text):
    assert said(text, chunk=1 << 20) is None


def test_only_the_file_of_that_name_is_looked_at():
    text = described(infer_signature(np.array([1.0])))
    assert said(text, path="model/MLmodel.bak") is None
    assert said(text, path="MLmodel/notes.txt") is None


def version(signature):
    files = (Artifact("MLmodel", 3, "ab" * 32, signature), Artifact("model.pkl", 3, "cd" * 32))
    return record_of(samples.version(files=files), samples.STORE)


def test_the_record_says_so_and_keeps_silent_where_it_is_not_known():
    assert version((("inputs", "[]"),)).value("version", "signature") == {"inputs": "[]"}
    assert version(()).value("version", "signature") == "none"
    assert version(None).value("version", "signature") is None
    deeper = Artifact("sub/MLmodel", 3, "ab" * 32, ())
    other = record_of(samples.version(files=(deeper,)), samples.STORE)
    assert other.value("version", "signature") is None


def test_a_record_from_before_it_was_read_has_not_drifted_and_a_parameter_of_that_name_has():
    old, new = version(None).document, version(()).document
    assert drift(old, new, True) == ([], [])
    later = record_of(samples.version(previous="6", previous_created=1), "s").document
    before = record_of(samples.version(previous="6"), "s").document
    assert drift(before, later, True) == ([], [])
    run = samples.run(parameters={"signature": "a"})
    changed = record_of(samples.run(parameters={"signature": "b"}), "s").document
    found, _ = drift(record_of(run, "s").document, changed, True)
    assert [one["what"] for one in found] == ["parameters/signature"]
