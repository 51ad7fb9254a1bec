"""What changed between two documents about one thing; what cannot be known is never the same."""

from __future__ import annotations

import pytest

from mlflow_evidence_plugin.record.drift import drift
from mlflow_evidence_plugin.render.inventory import groups

RUN = {"run_id": "a", "status": "FINISHED"}


def document(gaps=(), **sections):
    """A record's document: values by section; a section of None is absent."""
    made = {"run": RUN, **sections}
    told = {
        name: {"absent": "nothing was logged"}
        if values is None
        else {"facts": {key: {"value": value} for key, value in values.items()}}
        for name, values in made.items()
    }
    return told | {"gaps": [{"place": p, "code": c, "reason": f"why {p}"} for p, c in gaps]}


def whats(found):
    return [(one["what"], one["kind"]) for one in found]


def test_an_absent_section_is_an_empty_one():
    signed, now = document(parameters=None), document(parameters={"lr": "1"})
    assert drift(signed, now, True) == (
        [{"what": "parameters/lr", "kind": "added", "was": None, "is": "1"}],
        [],
    )
    assert whats(drift(now, signed, True)[0]) == [("parameters/lr", "removed")]


FILE = {"a/b.txt": {"size": 1, "sha256": "0"}}


@pytest.mark.parametrize("place", ["outputs", "outputs/a", "outputs/a/b.txt"])
def test_a_file_that_could_not_be_read_now_is_unknown(place):
    signed, now = document(outputs=FILE), document([(place, "not-listed")], outputs=None)
    findings, unknown = drift(signed, now, True)
    assert findings == []
    assert {"what": "outputs/a/b.txt", "why": f"why {place}"} in unknown
    assert place in {one["what"] for one in unknown}


def test_one_that_could_not_be_read_when_it_was_captured_is_unknown():
    signed, now = document([("outputs/a", "unreadable")], outputs=None), document(outputs=FILE)
    why = "not read when it was captured: why outputs/a"
    assert drift(signed, now, True) == ([], [{"what": "outputs/a/b.txt", "why": why}])


@pytest.mark.parametrize("code", ["not-scanned", "not-unicode"])
def test_what_was_read_but_not_scanned_is_known(code):
    signed, now = document(outputs=FILE), document([("outputs/a/b.txt", code)], outputs=FILE)
    assert drift(signed, now, True) == ([], [])


def test_files_go_by_size_where_their_contents_were_not_read():
    signed = document(outputs=FILE, history={"auc": {"digest": "1"}})
    now = document(outputs={"a/b.txt": {"size": 1, "sha256": "1"}}, history=None)
    assert drift(signed, now, False) == ([], [])
    assert whats(drift(signed, now, True)[0]) == [
        ("history/auc", "removed"),
        ("outputs/a/b.txt", "changed"),
    ]


def test_when_a_metric_was_logged_does_not_count_but_its_value_does():
    one = document(metrics={"auc": {"value": "0.9", "step": 1, "time": "x"}})
    assert drift(one, document(metrics={"auc": {"value": "0.9"}}), False) == ([], [])
    other = document(metrics={"auc": {"value": "NaN"}})
    assert whats(drift(one, other, False)[0]) == [("metrics/auc", "changed")]


def test_of_a_run_that_is_gone_one_thing_is_said_and_the_model_is_still_compared():
    signed = document(parameters={"lr": "1"}, model_files=FILE, version={"tags": {"a": "b"}})
    now = document([("run", "not-found")], parameters=None, model_files=None, version={})
    findings, unknown = drift(signed, now | {"run": {"absent": "x"}}, True)
    assert whats(findings) == [
        ("run", "removed"),
        ("version/tags/a", "removed"),
        ("model_files/a/b.txt", "removed"),
    ]
    assert unknown == []


def line(**changes):
    known = {"subject": "runs/a", "run_id": "a", "owner": "ana", "cost_center": None, "lacks": []}
    return known | {"artifact_bytes": 10, "duration_ms": 5} | changes


def test_a_run_counts_once_in_each_group():
    version = line(subject="models/m/1", lacks=["approval"])
    bare = line(subject="models/m/2", artifact_bytes=None, duration_ms=None)
    other = line(run_id="b", subject="runs/b", owner=None)
    (ana, nobody) = groups([bare, line(), version, other], "owner")
    assert ana == {
        "group": "ana",
        "subjects": 3,
        "artifact_bytes": 10,
        "duration_ms": 5,
        "unmeasured": 1,
        "lacks": {"approval": 1},
    }
    assert (nobody["group"], nobody["artifact_bytes"]) == (None, 10)
