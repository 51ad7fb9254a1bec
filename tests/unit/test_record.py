"""The record: same facts, same bytes; every fact with its basis; nothing but its schema."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from mlflow_evidence_plugin.collect.runs import series_of
from mlflow_evidence_plugin.errors import BadRecord
from mlflow_evidence_plugin.record import canonical, digest_of, read, record_of
from mlflow_evidence_plugin.record.canonical import loads, manifest_root
from mlflow_evidence_plugin.record.facts import moment, number
from mlflow_evidence_plugin.record.schema import record_schema
from mlflow_evidence_plugin.record.sections import SECTIONS
from mlflow_evidence_plugin.snapshot import Artifact, Gap, Metric
from tests.unit import samples

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


def test_the_published_schema_is_a_schema():
    Draft202012Validator.check_schema(record_schema())


@pytest.mark.parametrize("section", SECTIONS, ids=lambda s: s.__name__)
def test_each_section_is_in_the_schema_and_required(section):
    assert section.__name__ in record_schema()["required"]
    assert section.__doc__


def test_the_same_snapshot_gives_the_same_bytes_in_whatever_order_it_was_read():
    one = samples.run(parameters={"a": "1", "b": "2"})
    other = samples.run(parameters={"b": "2", "a": "1"})
    assert record_of(one, "s").data == record_of(other, "s").data


def test_every_fact_says_its_basis_and_who_asserts_it():
    document = samples.record().document
    facts = [
        fact
        for section in document.values()
        if isinstance(section, dict) and "facts" in section
        for fact in section["facts"].values()
    ]
    assert len(facts) > 20
    assert all(fact["basis"] in ("claimed", "observed") and fact["by"] for fact in facts)


def test_hashed_files_are_observed_and_metrics_are_claimed():
    record = samples.record()
    assert record.facts("outputs")["a.txt"]["basis"] == "observed"
    assert record.facts("metrics")["auc"]["basis"] == "claimed"


def test_absence_is_said_with_a_reason():
    record = record_of(samples.run(inputs=()), "s")
    assert record.document["inputs"] == {"absent": "the run logged no inputs"}


def test_a_version_without_a_run_is_a_record_too():
    record = record_of(replace(samples.version(), run=None, run_id=None), "s")
    assert record.run_id is None
    assert "absent" in record.document["metrics"]


def test_what_we_wrote_back_ourselves_does_not_change_the_record():
    before = samples.run()
    after = replace(before, tags={**before.tags, "evidence.link.decision": "sha256:…"})
    assert record_of(before, "s").digest == record_of(after, "s").digest


def test_a_sibling_version_of_the_same_run_does_not_change_a_version():
    alone = record_of(samples.version(), "s")
    siblings = samples.run(versions=(("credit", "7"), ("sandbox", "1")))
    assert record_of(samples.version(source=siblings), "s").digest == alone.digest


def test_another_store_is_another_subject():
    assert record_of(samples.run(), "s").digest != record_of(samples.run(), "t").digest


@pytest.mark.parametrize(
    "change",
    [
        {"artifacts": (Artifact("a.txt", 1, "ee" * 32),)},
        {"metrics": (Metric("auc", 0.8, 0, 0),)},
        {"inputs": ()},
        {"tags": {"evidence.git.commit": "a" * 40}},
    ],
    ids=["outputs", "metrics", "inputs", "code"],
)
def test_the_release_digest_changes_with_what_matters_to_a_release(change):
    before, after = samples.run(), replace(samples.run(), **change)
    assert record_of(before, "s").release != record_of(after, "s").release


def test_the_release_digest_ignores_descriptions_and_names():
    before = record_of(samples.version(), "s")
    after = record_of(samples.version(description="better words"), "s")
    assert before.digest != after.digest
    assert before.release == after.release


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), 1e308, 5e-324, -0.0])
def test_any_double_can_be_a_metric(value):
    record = record_of(samples.run({"m": value}), "s")
    text = record.value("metrics", "m")["value"]
    assert repr(float(text.replace("Infinity", "inf"))) == repr(value)


@given(st.floats())
def test_numbers_read_back_as_the_same_double(value):
    assert repr(float(number(value))) == repr(value)


@pytest.mark.parametrize("milliseconds", [0, 1, 1_700_000_000_123, 10**18, -(10**18), 2**63 - 1])
def test_any_timestamp_can_be_said(milliseconds):
    metric = Metric("m", 1.0, 2**60, milliseconds)
    record = record_of(replace(samples.run(), metrics=(metric,)), "s")
    assert record.value("metrics", "m")["time"] == moment(milliseconds)


def test_milliseconds_are_kept_and_read_as_utc():
    assert moment(1_700_000_000_123) == "2023-11-14T22:13:20.123Z"


@given(st.dictionaries(TEXT, TEXT, max_size=5), st.dictionaries(TEXT, TEXT, max_size=5))
def test_reading_a_record_back_gives_the_same_record(parameters, tags):
    made = record_of(samples.run(parameters=parameters, tags=tags), "s")
    assert read(made.data) == made


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXT,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
        max_leaves=10,
    )
)
def test_canonical_bytes_do_not_depend_on_how_json_was_written(document):
    rewritten = json.dumps(document, indent=3, ensure_ascii=True)
    assert canonical(loads(rewritten)) == canonical(document)


def test_canonical_json_follows_the_published_example():
    # RFC 8785, section 3.2.2 and its expected bytes in 3.2.4.
    document = {
        "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/",
        "literals": [None, True, False],
    }
    assert canonical(document).decode() == (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )


BAD_JSON = {
    "duplicate-key": b'{"a":1,"a":2}',
    "nan": b'{"a":NaN}',
    "infinity": b'{"a":-Infinity}',
    "invalid-utf8": b'{"a":"\xff"}',
    "deep": b"[" * 100_000,
    "truncated": b'{"a":',
    "empty": b"",
}


@pytest.mark.parametrize("data", BAD_JSON.values(), ids=BAD_JSON)
def test_json_that_readers_disagree_about_is_refused(data):
    with pytest.raises(BadRecord):
        loads(data)


def _changed(**changes):
    document = json.loads(samples.record().data)
    document.update(changes)
    return canonical(document)


BAD_RECORDS = {
    "not-canonical": json.dumps(json.loads(samples.record().data), indent=1).encode(),
    "unknown-schema": _changed(schema="https://mlflow-evidence.dev/record/v9"),
    "unknown-member": _changed(more=1),
    "missing-section": canonical(
        {k: v for k, v in json.loads(samples.record().data).items() if k != "metrics"}
    ),
    "metric-as-number": _changed(
        metrics={"facts": {"m": {"basis": "claimed", "by": "run", "value": {"value": 0.5}}}}
    ),
    "no-basis": _changed(parameters={"facts": {"p": {"by": "run", "value": "1"}}}),
    "unknown-basis": _changed(
        parameters={"facts": {"p": {"basis": "hoped", "by": "run", "value": "1"}}}
    ),
    "facts-and-absent": _changed(parameters={"facts": {}, "absent": "both"}),
    "a-list": b"[]",
    "integer-beyond-double": b'{"a":9007199254740993}',
}


@pytest.mark.parametrize("data", BAD_RECORDS.values(), ids=BAD_RECORDS)
def test_what_is_not_exactly_a_record_is_refused(data):
    with pytest.raises(BadRecord):
        read(data)


def test_the_root_depends_on_every_file_and_not_on_their_order():
    files = [Artifact("b", 1, "11" * 32), Artifact("a", 1, "22" * 32)]
    assert manifest_root(files) == manifest_root(reversed(files))
    assert manifest_root(files) != manifest_root(files[:1])


def test_gaps_and_findings_are_listed_once_and_in_order():
    gap = Gap("outputs/x", "unreadable", "gone")
    record = record_of(samples.run(gaps=(gap, gap, Gap("a", "c", "r"))), "s")
    assert [one["place"] for one in record.document["gaps"]] == ["a", "outputs/x"]


def test_a_series_is_ordered_and_its_digest_is_that_of_its_text():
    points = [samples.Point(2.0, 1), samples.Point(float("nan"), 2), samples.Point(1.0, 0)]
    series, last = series_of("m", points)
    assert series.text == b"0,1700000000000,1.0\n1,1700000000000,2.0\n2,1700000000000,NaN\n"
    assert series.digest == digest_of(series.text)
    assert (series.count, series.low, series.high, last.step) == (3, 1.0, 2.0, 2)
