"""A tombstone: canonical, read back exactly, and nothing that is not as we write it."""

from __future__ import annotations

import pytest

from mlflow_evidence_plugin.errors import BadEnvelope
from mlflow_evidence_plugin.record.canonical import loads
from mlflow_evidence_plugin.statements import Tombstone, read_statement
from mlflow_evidence_plugin.statements.tombstone import tombstone_statement
from tests.unit import samples

AT = "2026-01-02T03:04:05.000Z"
GONE = ["sha256:" + "2" * 64, "sha256:" + "1" * 64]


def stated(**changes):
    said = {"reason": "a leak", "by": "ops", "at": AT, "erased": GONE}
    return loads(tombstone_statement(samples.record(), **(said | changes)))


def test_it_says_which_record_why_by_whom_and_what_went():
    record = samples.record()
    said = read_statement(stated())
    assert said == Tombstone(
        record.subject.name, record.root, record.digest, "a leak", "ops", AT, tuple(sorted(GONE))
    )


@pytest.mark.parametrize(
    "change",
    [
        {"reason": ""},
        {"reason": "two\nlines"},
        {"reason": "\x1b[2J"},
        {"reason": "x" * 1001},
        {"at": "yesterday"},
        {"erased": [GONE[0], GONE[0]]},
        {"erased": ["1" * 64]},
        {"by": 7},
    ],
    ids=str,
)
def test_any_other_form_is_refused(change):
    with pytest.raises(BadEnvelope):
        read_statement(stated(**change))


def test_further_or_missing_members_are_refused():
    for alter in (lambda p: p.update(note="x"), lambda p: p.pop("record")):
        found = stated()
        alter(found["predicate"])
        with pytest.raises(BadEnvelope):
            read_statement(found)
