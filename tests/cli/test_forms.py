"""The three forms, and queries: what strangers wrote never steers a terminal or breaks a row."""

from __future__ import annotations

import contextlib
import json

import pytest
from click import UsageError
from hypothesis import given
from hypothesis import strategies as st

from mlflow_evidence_plugin.cli.output import Output
from mlflow_evidence_plugin.cli.query import QUERY
from mlflow_evidence_plugin.cli.subjects import SUBJECT
from mlflow_evidence_plugin.cli.text import escaped, json_text, printable, tsv_lines
from mlflow_evidence_plugin.errors import BadInput, EvidenceError

HOSTILE = "a\tb\nc\rd\x1b[2Je\x9b1mf\u2028g\u202eh\x00\x7f[red]i\\n\ud800"
WILD = st.text(st.one_of(st.characters(), st.sampled_from(HOSTILE)))
DOCUMENTS = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), WILD),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(WILD, inner)),
)


@pytest.mark.parametrize("model", ["credit", "credit@eu", "a@b@c"])
def test_an_alias_stands_behind_the_last_at_sign(model):
    told = {"model": model, "alias": "production"}
    assert SUBJECT.convert(f"models/{model}@production", None, None) == told


@given(st.lists(st.lists(WILD, min_size=1), min_size=1))
def test_tsv_has_a_line_an_item_and_a_field_a_value(rows):
    lines = list(tsv_lines(rows))
    assert [line.count("\t") + 1 for line in lines] == [len(row) for row in rows]
    assert all(line.replace("\t", "").isprintable() for line in lines)


@given(WILD)
def test_what_can_be_shown_is_shown_as_it_is(text):
    assert printable(text).isprintable()
    if text.isprintable():
        assert printable(text) == text


@given(DOCUMENTS)
def test_json_says_the_same_and_holds_nothing_that_a_terminal_obeys(document):
    text = json_text(document)
    assert json.loads(text) == document
    assert text.replace("\n", "").isprintable()


@given(DOCUMENTS)
def test_no_document_breaks_a_row_or_the_program(document):
    for line in tsv_lines(document):
        assert line.replace("\t", "").isprintable()
    assert json_text(escaped(document)).replace("\n", "").isprintable()


@given(DOCUMENTS, st.sampled_from(["@", "[]", "*", "keys(@)", "[*][0]", "[].{a: @}", "[[@, @]]"]))
def test_whatever_a_query_finds_has_a_table_or_an_error_of_ours(document, expression):
    out = Output("table", QUERY.convert(expression, None, None))
    try:
        out.show(document)
    except EvidenceError as error:
        assert isinstance(error, BadInput)


@pytest.mark.parametrize(
    ("document", "lines"),
    [
        (None, []),
        ([], []),
        ("x", ["x"]),
        ([True, None, 1.5], ["true", "None", "1.5"]),
        ({"b": 1, "a": "x"}, ["x\t1"]),
        ({"list": [1, 2], "no": None, "object": {"a": 1}, "yes": True}, ["2\tNone\t\tTrue"]),
        ([["a", ["b"], {"c": 1}]], ["a\t1\t"]),
    ],
    ids=["null", "none", "scalar", "scalars", "sorted", "nested", "list-of-lists"],
)
def test_tsv_is_that_of_az(document, lines):
    assert list(tsv_lines(document)) == lines


def shown(capsys, form: str, document: object, expression: str) -> str:
    Output(form, QUERY.convert(expression, None, None)).show(document)
    return capsys.readouterr().out


DOCUMENT = [
    {"name": "b", "tags": {"t": 1}, "status": "FINISHED", "n": None},
    {"name": HOSTILE, "tags": {}, "status": "FAILED", "n": 2},
]


def test_a_query_that_names_its_columns_keeps_their_order(capsys):
    assert shown(capsys, "tsv", DOCUMENT, "[0].{z: name, a: status}") == "b\tFINISHED\n"


@pytest.mark.parametrize(
    ("expression", "table"),
    [
        ("[0].{z: name, a: status}", [["Z", "A"], ["b", "FINISHED"]]),
        ("[:1].[name, status]", [["Column1", "Column2"], ["b", "FINISHED"]]),
        ("[].status", [["Result"], ["FINISHED"], ["FAILED"]]),
        ("length(@)", [["Result"], ["2"]]),
        ("[0]", [["Name", "Status"], ["b", "FINISHED"]]),
        ("nothing", []),
    ],
    ids=["objects", "lists", "scalars", "scalar", "nested-left-out", "null"],
)
def test_the_table_of_any_answer(capsys, expression, table):
    drawn = shown(capsys, "table", DOCUMENT, expression).splitlines()
    assert [line.split() for line in drawn] == table


def test_a_hostile_name_stays_in_its_cell(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    drawn = shown(capsys, "table", DOCUMENT, "[].{name: name, status: status}")
    assert len(drawn.splitlines()) == 3
    assert drawn.replace("\n", "").isprintable()
    assert "[red]i" in drawn  # and rich takes none of it for its own markup


def test_outside_a_terminal_no_id_is_broken_over_lines(capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    digests = [f"sha256:{n:064x}" for n in range(4)]
    drawn = shown(capsys, "table", [dict(zip("abcd", digests, strict=True))], "@")
    assert [line.split() for line in drawn.splitlines()] == [["A", "B", "C", "D"], digests]


def test_columns_still_says_how_wide_a_table_may_be(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    drawn = shown(capsys, "table", [{"a": f"sha256:{0:064x}"}], "@")
    assert max(map(len, drawn.splitlines())) <= 40


def test_a_hostile_name_of_a_column_is_text(capsys):
    drawn = shown(capsys, "table", [{"\x1b[2J[bold]\n": 1}], "@")
    assert "\\x1b[2J[bold]\\n" in drawn


@pytest.mark.parametrize(
    ("expression", "column", "why"),
    [
        ("a..b", 3, "got: dot"),
        ("[?a", 4, "ends too early"),
        ("", None, "empty"),
        ("'a", 1, "Unclosed"),
        ("a b", 3, "Unexpected token: b"),
        ("\x1b[2J", 1, "Unknown token \\x1b"),
        ("(" * 5000, None, "too deep"),
    ],
    ids=["dots", "unfinished", "empty", "unclosed", "two-words", "control", "deep"],
)
def test_a_bad_expression_is_pointed_at(expression, column, why):
    with pytest.raises(UsageError) as refused:
        QUERY.convert(expression, None, None)
    assert why in refused.value.message
    if column:
        first, echoed, mark = refused.value.message.splitlines()
        assert f"(column {column})" in first
        assert mark.index("^") == column + 1
        assert echoed.replace("\n", "").isprintable()


@pytest.mark.parametrize(
    "expression",
    ["nope(@)", "sort(@)", "length(@, @)", "max_by(@, &n)", 'max_by(`[{"a": 1}, {"a": "x"}]`, &a)'],
)
def test_a_query_that_the_document_does_not_fit_is_said(expression):
    with pytest.raises(BadInput) as refused:
        QUERY.convert(expression, None, None).of(DOCUMENT)
    assert expression in refused.value.detail


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
@given(st.text(st.sampled_from("abz@[]{}()*&|?!=<>.,:'\"`0-1 \\"), max_size=12))
def test_no_expression_breaks_the_program(expression):
    with contextlib.suppress(UsageError, BadInput):
        QUERY.convert(expression, None, None).of(DOCUMENT)


def test_a_bad_expression_has_its_exit_code(az):
    done = az("token", "list", "--query", "a..b", EVIDENCE_SERVICE_HOME="unused")
    assert done.code == 2
    assert "column 3" in done.err and "  a..b\n    ^" in done.err


def test_doctor_takes_a_query(az):
    done = az("doctor", "-o", "tsv", "--query", "[?name=='ticket'].[name, state]")
    assert (done.code, done.out) == (0, "ticket\twarn\n")


def test_tokens_are_listed_in_every_form(az, tmp_path):
    env = {"EVIDENCE_SERVICE_HOME": str(tmp_path)}
    words = ("--principal", "a\tb\nc", "--scope", "capture", "--experiment", "*")
    made = az("token", "create", *words, **env)
    assert made.code == 0, made.err
    tsv = az("token", "list", "-o", "tsv", "--query", "[].[principal, scopes[0]]", **env)
    assert tsv.out == "a\\tb\\nc\tcapture\n"
    table = az("token", "list", "-o", "table", **env).out.splitlines()
    assert len(table) == 2 and "a\\tb\\nc" in table[1]


def test_an_error_names_a_stranger_without_obeying_him(az):
    done = az("run", "show", "\x1b[2J", "--tracking-uri", "sqlite:///\x1b[2J.db")
    assert "\x1b" not in done.err and done.code == 7
