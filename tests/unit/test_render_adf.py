"""A verdict as a comment of Jira, which takes it whatever was found; what is left out is said."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlflow_evidence_plugin.render.adf import MOST, verdict_adf
from tests.consumers.jira import COMMENT_LIMIT, length, text_of, wrong_in
from tests.unit.exhibits import DECISION, exhibit

KEYS = ("code", "found", "asked", "mend", "by", "expires_at")
TEXT = st.text(st.characters(exclude_characters="\0"), max_size=40)
LONG = st.builds(lambda text, times: text * times, TEXT, st.integers(1, 500))
REASON = st.fixed_dictionaries(dict.fromkeys(KEYS, LONG))
KINDS = ("reasons", "warnings", "waived")


def alike(text: str, count: int) -> dict[str, list]:
    return {"reasons": [dict.fromkeys(KEYS, text)] * count}


@settings(max_examples=60, deadline=None)
@given(st.fixed_dictionaries(dict.fromkeys(KINDS, st.lists(REASON, max_size=30))))
@example(alike("a" * 400, 60))
@example(alike("漢" * 400, 50))
@example(alike("😀" * 400, 50))
@example(alike("\u202e" * 400, 50))
@example(alike("", 51))
def test_whatever_was_found_jira_takes_the_comment(said):
    verdict = DECISION | dict.fromkeys(KINDS, ()) | said
    made = verdict_adf(exhibit(decisions=[verdict]), "prod", "https://evidence.example.org/x")
    assert wrong_in(made) is None
    assert length(text_of(made)) <= COMMENT_LIMIT
    lists = [one for one in made["content"] if one["type"] == "bulletList"]
    items = [text_of(item) for one in lists for item in one["content"]]
    more = re.fullmatch("and ([0-9]+) more in the evidence", items[-1]) if items else None
    left = int(more[1]) if more else 0
    assert len(items) - bool(more) + left == sum(map(len, said.values()))


@pytest.mark.parametrize(("count", "told"), [(MOST, MOST), (MOST + 1, MOST)])
def test_short_reasons_are_told_up_to_their_number(count, told):
    verdict = DECISION | {"warnings": (), "waived": ()} | alike("x", count)
    made = verdict_adf(exhibit(decisions=[verdict]), "prod")
    assert text_of(made).count("blocks: ") == told
    assert ("and 1 more" in text_of(made)) is (count > told)
