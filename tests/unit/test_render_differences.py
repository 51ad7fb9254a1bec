"""Comparisons and histories for people: bars, pictures and Markdown, whatever strangers logged."""

from __future__ import annotations

import math
import warnings
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise

import pytest

from mlflow_evidence_plugin.record import record_of
from mlflow_evidence_plugin.record.compare import comparison
from mlflow_evidence_plugin.record.regressions import Question, history, step
from mlflow_evidence_plugin.render.differences import bars, gaps, matrix, off
from mlflow_evidence_plugin.render.markdown import comparison_markdown, history_markdown
from mlflow_evidence_plugin.render.plots import PNG, SHORT, SVG, plot
from tests.browser.gallery import HOSTILE
from tests.unit import samples
from tests.unit.test_render_hostile import READER


def course(*values, metric="auc", name="credit", window=5, apart=86_400_000):
    found = []
    for n, value in enumerate(values):
        run = samples.run(
            {} if value is None else {metric: value},
            run_id=f"{n:032x}",
            start_time=1_700_000_000_000 + n * apart,
            experiment=name,
            parameters={name: str(n)},
        )
        run = replace(run, name=f"monthly {n}")
        found.append(step(record_of(run, samples.STORE), metric))
    question = Question(metric, window=window)
    return {
        "experiment": name, **question.document(), "items": history(found, question),
        "truncated": False,
    }  # fmt: skip


ODD = {
    "none": [],
    "one": [0.5],
    "nothing known": [None, math.nan],
    "infinite": [0.5, math.inf, 0.4, -math.inf],
    "alone between gaps": [None, 1.0, None],
    "huge": [1.7e308, -1.7e308],
    "tiny": [5e-324, 0.0],
    "many": [math.sin(n) for n in range(500)],
}


@pytest.mark.parametrize("kind", [SVG, PNG])
@pytest.mark.parametrize("name", ODD)
def test_odd_histories_are_drawn_without_a_warning(name, kind):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn = plot(course(*ODD[name]), kind)
    assert len(drawn) < 256 << 10


@pytest.mark.parametrize("name", HOSTILE)
def test_a_strangers_name_is_text_in_the_picture_and_nothing_else(name):
    metric = HOSTILE[name] + "$\\frac{1}{0}$ \ufffe\x00"
    tree = ET.fromstring(plot({**course(0.9, 0.1), "metric": metric}))
    kinds = {e.tag.rpartition("}")[2] for e in tree.iter()}
    assert not {"script", "a", "image", "foreignObject"} & kinds
    cut = len(HOSTILE[name]) > 40
    assert cut or any(e.text and "$\\frac" in e.text for e in tree.iter())
    assert all(
        value.startswith("#") for e in tree.iter() for key, value in e.attrib.items()
        if key.endswith("href")
    )  # fmt: skip


def written(found) -> list[str]:
    """The texts of a picture."""
    return [one.text for one in ET.fromstring(plot(found)).iter() if one.tag.endswith("}text")]


def test_a_regression_is_named_in_the_picture_and_no_other_run_is():
    told = written(course(0.9, 0.9, 0.1, 0.9))
    assert [one for one in told if one.startswith("monthly")] == ["monthly 2"]


def test_of_regressions_close_to_each_other_the_later_ones_are_named():
    falling = [2.0**-n for n in range(30)]
    told = [one for one in written(course(*falling)) if one.startswith("monthly")]
    named = [int(one.split()[1]) for one in told]
    assert named[0] == 29 and len(named) > 4
    assert all(later - earlier >= 3 for later, earlier in pairwise(named))


def test_a_regression_without_a_name_goes_by_its_subject_cut_to_what_fits():
    found = course(0.9, 0.1)
    found["items"][1]["name"] = None
    assert f"runs/{1:032x}"[:SHORT] + "…" in written(found)


@pytest.mark.parametrize("name", HOSTILE)
def test_the_name_of_a_regression_is_text_as_well(name):
    found = course(0.9, 0.1)
    found["items"][1]["name"] = "$\\frac{1}{0}$" + HOSTILE[name]
    for kind in (SVG, PNG):
        plot(found, kind)
    assert any(one.startswith("$\\frac{1}{0}$") for one in written(found))


def test_runs_of_one_day_have_its_date_on_the_axis_and_others_their_days():
    hours = written(course(0.9, 0.8, apart=60_000))
    assert "2023-11-14, UTC" in hours and "22:13:20" in hours
    days = written(course(0.9, 0.8))
    assert "days in UTC" in days and "2023-11-14" in days
    unknown = course(0.9, 0.8)
    for one in unknown["items"]:
        one["started"] = None
    assert "unknown" in written(unknown) and not [t for t in written(unknown) if "UTC" in t]


@pytest.mark.parametrize(
    ("window", "told"),
    [(5, "median of up to 5 before (tolerance 5%)"), (1, "the one before (tolerance 5%)")],
)
def test_the_legend_promises_no_more_runs_than_there_are(window, told):
    assert told in written(course(0.9, 0.8, 0.9, window=window))


def test_the_same_history_has_the_same_bytes_in_every_thread():
    found = course(0.9, None, 0.5)
    with ThreadPoolExecutor(4) as pool:
        for kind in (SVG, PNG):
            assert len(set(pool.map(lambda _, k=kind: plot(found, k), range(6)))) == 1


def test_bars_reach_from_the_least_to_the_greatest_and_gaps_have_none():
    assert bars([0.0, 1.0, math.nan, 0.5], 4) == ["▏", "████", "", "██"]
    assert bars([math.nan]) == [""]
    assert len({*bars([3.0, 3.0])}) == 1


@pytest.mark.parametrize(
    ("difference", "relative", "told"),
    [
        (None, None, ""),
        ("0.1", None, "+0.1"),
        ("-0.2178343949044587", "-0.246", "-0.217834 (-24.6 %)"),
        ("1E+300", "12", "+1E+300 (+1200 %)"),
        ("0", "0", "+0 (+0 %)"),
    ],
)
def test_how_far_off_is_told_in_six_digits(difference, relative, told):
    assert off(difference, relative) == told


def compared(*runs):
    documents = [record_of(run, samples.STORE).document for run in runs]
    found = comparison(documents, {"auc": "higher"})
    heads = [{"subject": f"runs/{n}", "digest": "sha256:" + str(n) * 64} for n in range(len(runs))]
    others = [{**head, **one} for head, one in zip(heads[1:], found["others"], strict=True)]
    return {**found, "base": heads[0], "others": others}


def test_candidates_stand_side_by_side_with_what_is_equal_marked():
    base = samples.run({"auc": 0.9}, parameters={"depth": "6"})
    lines = matrix(
        compared(base, samples.run({"auc": 0.8}, parameters={"depth": "6"}),
                 samples.run({"auc": 0.9}, parameters={"depth": "8"}))
    )  # fmt: skip
    told = {line.name: [cell.text for cell in line.others] for line in lines}
    assert told == {"auc": ["0.8", "="], "depth": ["=", "8"]}
    assert [line.section for line in lines] == ["Metrics", "Parameters"]
    assert lines[0].others[0].tone == "bad"


@pytest.mark.parametrize("name", HOSTILE)
def test_markdown_of_both_is_harmless(name):
    value = HOSTILE[name]
    odd = samples.run(
        {value: 1.0}, parameters={value: value}, tags={value: value}, experiment=value, inputs=()
    )
    found = compared(samples.run(), odd, replace(odd, parameters={}))
    assert gaps(found)
    for text in (
        comparison_markdown(found),
        history_markdown(course(0.9, 0.1, metric=value, name=value)),
    ):
        tokens = READER.parse(text.decode())
        inner = [child for token in tokens for child in token.children or ()]
        kinds = {token.type for token in (*tokens, *inner)}
        assert not {"link_open", "image", "html_block", "html_inline", "table_open"} & kinds
        assert not {"code_block", "fence", "blockquote_open", "hr"} & kinds
        outside = " ".join(child.content for child in inner if child.type == "text")
        assert not value.strip() or len(value.strip()) < 3 or value.strip() not in outside
