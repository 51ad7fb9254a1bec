"""Whatever strangers logged: shown, and never markup."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from mlflow_evidence_plugin.render.html import html
from mlflow_evidence_plugin.render.markdown import markdown
from mlflow_evidence_plugin.render.text import LONGEST, code_span, visible
from mlflow_evidence_plugin.snapshot import Artifact, Dataset, Gap, Secret
from tests.browser.gallery import HOSTILE, made_run
from tests.unit.exhibits import DECISION, Elements, exhibit


def kinds(data: bytes) -> set[tuple[str, tuple[str, ...]]]:
    return set(Elements(data.decode()).found)


def wild(value: str, name: str = "name"):
    """A run in which one stranger's value stands wherever a stranger may write."""
    return made_run(
        {value or "x": [1.0, 2.0]},
        name=value,
        experiment=value,
        user=value,
        status=value,
        parameters={name: value, value: "1"},
        tags={"evidence.owner": value, "evidence.ticket": value, "note": value, value: "1"},
        inputs=(Dataset(value, value, value, value, value),),
        artifacts=(Artifact(value or "x", 1, "ab" * 32),),
        gaps=(Gap(value, "unreadable", value),),
        secrets=(Secret(value, "aws-key", "12ab"),),
        children=(value,),
        parent=value,
    )


def decided(value: str) -> list[dict]:
    reason = dict.fromkeys(("code", "found", "asked", "mend"), value)
    return [{**DECISION, "environment": value, "reasons": [reason], "warnings": [reason]}]


TAME = exhibit(wild("tame"), decided("tame"))
ALL_HTML = kinds(html(TAME))
ALL_MARKDOWN = {"heading_open", "paragraph_open", "bullet_list_open", "list_item_open", "fence"}
ALL_MARKDOWN |= {"heading_close", "paragraph_close", "bullet_list_close", "list_item_close"}
ALL_MARKDOWN |= {"inline", "text", "code_inline", "strong_open", "strong_close", "softbreak"}


READER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def blocks(data: bytes) -> list[str]:
    return [token.type for token in READER.parse(data.decode())]


def words(data: bytes) -> list[str]:
    """What stands outside of code: our own words, so that nobody else's can be a bare link."""
    inner = [child for token in READER.parse(data.decode()) for child in token.children or ()]
    return [child.content for child in inner if child.type == "text"]


def assert_harmless_markdown(data: bytes) -> None:
    tokens = READER.parse(data.decode())
    inner = [child for token in tokens for child in token.children or ()]
    assert {token.type for token in (*tokens, *inner)} <= ALL_MARKDOWN
    assert [token.type for token in tokens] == blocks(markdown(TAME))
    if "(empty)" not in data.decode():
        assert words(data) == words(markdown(TAME))


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_html_is_shown_and_never_markup(name):
    data = html(exhibit(wild(HOSTILE[name]), decided(HOSTILE[name])))
    assert kinds(data) <= ALL_HTML
    told = Elements(data.decode())
    assert all(link.startswith(("#", "data:image/svg+xml;base64,")) for link in told.links)
    assert visible(HOSTILE[name]).replace("\r", "") in "".join(told.text)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_values_are_code_in_a_ticket_and_no_markdown(name):
    assert_harmless_markdown(markdown(exhibit(wild(HOSTILE[name]), decided(HOSTILE[name]))))


TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=60)
MARKS = st.text(st.sampled_from("<>&\"'`|[]()!*_#-=\\\n\r\t {}%:/~$@x1."), max_size=60)


@settings(max_examples=25, deadline=None)
@given(TEXT | MARKS)
def test_no_value_ever_becomes_an_element_or_an_attribute(value):
    assert kinds(html(exhibit(wild(value), decided(value)))) <= ALL_HTML


@settings(max_examples=60, deadline=None)
@given(TEXT | MARKS)
def test_no_value_ever_becomes_markdown(value):
    assert_harmless_markdown(markdown(exhibit(wild(value), decided(value))))


@settings(max_examples=200, deadline=None)
@given(TEXT | MARKS)
def test_a_code_span_says_its_value_and_nothing_else(value):
    (token,) = [t for t in READER.parse(f"- x {code_span(value)} y") if t.children]
    spans = [child for child in token.children if child.type != "text"]
    if value.isprintable() and value.strip():
        assert [(span.type, span.content.strip()) for span in spans] == [
            ("code_inline", value.strip())
        ]
    else:
        assert {span.type for span in spans} <= {"code_inline"}


def test_a_long_value_is_cut_in_a_ticket_and_says_so():
    said = code_span("x" * 5000)
    assert len(said) < LONGEST + 40
    assert "(5,000 characters)" in said


def test_hidden_characters_are_named():
    assert visible("exe.\u202egpj") == "exe.⟨U+202E⟩gpj"
    assert visible("नमस्ते 👩‍🔬 größe") == "नमस्ते 👩‍🔬 größe"
