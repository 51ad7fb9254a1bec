"""A signed count: its text, and what is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlflow_evidence_plugin.errors import BadLedger
from mlflow_evidence_plugin.ledger import Checkpoint, Count
from mlflow_evidence_plugin.ledger.checkpoint import read_checkpoint
from mlflow_evidence_plugin.ledger.count import read_count

SUBJECT = "sha256:" + "a" * 64
GOOD = Count(Checkpoint("example.org/log", 12, b"r" * 32), SUBJECT, 3)
NUMBERS = st.integers(0, 10**18 - 1)


def test_it_has_five_lines_of_which_the_first_is_its_own():
    lines = GOOD.text.split("\n")
    assert lines[:2] == ["example.org/log/subject", "12"]
    assert lines[3:] == [SUBJECT, "3", ""]


@given(NUMBERS, NUMBERS, st.binary(min_size=32, max_size=32))
def test_what_is_written_is_read(size, leaves, root):
    made = Count(Checkpoint("example.org/log", size, root), SUBJECT, leaves)
    assert read_count(made.text) == made


@pytest.mark.parametrize(
    "text",
    [
        GOOD.head.text,
        GOOD.text + "more\n",
        GOOD.text[:-1],
        GOOD.text.replace("\n3\n", "\n03\n"),
        GOOD.text.replace("\n3\n", "\n-3\n"),
        GOOD.text.replace("/subject", ""),
        GOOD.text.replace("sha256:", "sha512:"),
        GOOD.text.replace("\n12\n", "\n1e2\n"),
    ],
)
def test_anything_else_is_refused(text):
    with pytest.raises(BadLedger):
        read_count(text)


def test_it_is_never_taken_for_a_head():
    with pytest.raises(BadLedger):
        read_checkpoint(GOOD.text)
