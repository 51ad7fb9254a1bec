from __future__ import annotations

from urllib.parse import parse_qsl

from hypothesis import given
from hypothesis import strategies as st

from mlflow_evidence_plugin import tags
from mlflow_evidence_plugin.context.header import headers, told

storable = st.text(min_size=1, max_size=300).filter(lambda v: tags.unstorable("k", v) is None)


@given(st.dictionaries(st.sampled_from(tags.ORDER), storable))
def test_it_is_short_ascii_and_says_nothing_that_the_tags_do_not(found):
    value = headers(found).get(tags.HEADER, "")
    assert len(value) <= tags.HEADER_MAX
    assert value.isascii()
    assert not set(value) & set(" \t\r\n")
    for name, said in parse_qsl(value, strict_parsing=bool(value)):
        assert found[tags.PREFIX + name] == said


@given(st.dictionaries(st.sampled_from(tags.ORDER), storable))
def test_a_server_reads_what_was_written_and_nothing_else(found):
    value = headers(found).get(tags.HEADER, "")
    assert told(value).items() <= found.items()
    assert headers(told(value)) == headers(found)


@given(st.text())
def test_a_server_reads_any_header(value):
    assert told(value).keys() <= {tags.PREFIX + name for name in tags.HEADER_NAMES}


def test_a_pair_without_room_is_left_out_whole():
    found = {"evidence.owner": "é" * 999, "evidence.team": "b", "evidence.ticket": "C-1"}
    assert headers(found) == {tags.HEADER: "team=b&ticket=C-1"}


def test_a_value_cannot_add_a_pair():
    assert headers({"evidence.owner": "a&team=x"}) == {tags.HEADER: "owner=a%26team%3Dx"}


def test_nothing_to_say_no_header():
    assert headers({}) == headers({"evidence.host": "box"}) == {}
