"""CycloneDX's strict validation takes every ML-BOM, and refuses a broken twin."""

from __future__ import annotations

import json

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from hypothesis import given, settings

from mlflow_evidence_plugin.statements import BOM
from mlflow_evidence_plugin.statements.bom import bom_document
from tests.unit.records import large, records

VALIDATOR = JsonStrictValidator(SchemaVersion.V1_6)


def test_the_bom_of_a_real_model_is_valid_and_has_its_model_card(emitted):
    document = emitted.statement(BOM)["predicate"]
    assert VALIDATOR.validate_str(json.dumps(document)) is None
    component = document["metadata"]["component"]
    assert component["type"] == "machine-learning-model"
    measured = component["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    assert {"type": "auc", "value": "0.95"} in measured
    assert len(component["components"]) == len(emitted.record.values("model_files"))


@settings(max_examples=30, deadline=None)
@given(records())
def test_the_bom_of_any_record_is_valid(record):
    wrong = VALIDATOR.validate_str(json.dumps(bom_document(record)))
    assert wrong is None, wrong


def test_the_bom_of_a_large_record_is_valid_with_what_it_leaves_out():
    assert VALIDATOR.validate_str(json.dumps(bom_document(large(length=6000)))) is None


BROKEN = {
    "unknown-member": lambda d: d.update(modelcard={}),
    "value-a-number": lambda d: d["metadata"]["component"]["modelCard"]["quantitativeAnalysis"][
        "performanceMetrics"
    ][0].update(value=0.95),
    "hash-too-short": lambda d: d["metadata"]["component"]["components"][0]["hashes"][0].update(
        content="00"
    ),
    "serial-that-is-none": lambda d: d.update(serialNumber="7"),
    "component-of-no-type": lambda d: d["metadata"]["component"].pop("type"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_twin_is_refused(name, emitted):
    document = json.loads(json.dumps(emitted.statement(BOM)["predicate"]))
    BROKEN[name](document)
    assert VALIDATOR.validate_str(json.dumps(document)) is not None
