"""A metric over runs: which is worse than those before, and what changed then."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlflow_evidence_plugin.record import record_of
from mlflow_evidence_plugin.record.regressions import Question, history, step
from tests.unit import samples

DAY = 86_400_000


def steps(*values, metric="auc", start=1_700_000_000_000, **parameters):
    """A run a day; None logs no metric. `parameters` are lists of values, one a run."""
    found = []
    for n, value in enumerate(values):
        logged = {"beside": 1.0} if value is None else {metric: value}
        run = samples.run(
            logged,
            run_id=f"{n:032x}",
            name=f"run {n}",
            start_time=start + n * DAY,
            parameters={name: told[n] for name, told in parameters.items()} or {"same": "1"},
        )
        found.append(step(record_of(run, samples.STORE), metric))
    return found


def states(*values, **asked):
    told = {"tolerance": Decimal("0.05"), "relative": False, **asked}
    return "".join(one["state"][0] for one in history(steps(*values), Question("auc", **told)))


@pytest.mark.parametrize(
    ("values", "asked", "told"),
    [
        ((0.9, 0.9, 0.8, 0.9), {}, "foro"),
        ((0.9, 0.85, 0.8499), {}, "foo"),  # the median falls with it: 0.875, less 0.05 is less
        ((0.9, 0.85, 0.8499), {"against": "best"}, "for"),
        ((0.9, 0.85), {}, "fo"),  # worse by exactly the tolerance
        ((0.9, 0.8499999999999999), {}, "fr"),
        ((0.2, 0.3), {"direction": "lower"}, "fr"),
        ((0.3, 0.2), {"direction": "lower"}, "fo"),
        ((0.9, None, math.nan, math.inf, 0.8), {}, "fuuur"),
        ((None, 0.9, 0.8), {}, "ufr"),
        ((0.9, 0.5, 0.5, 0.5, 0.5), {"window": 3}, "frroo"),  # what lasts becomes the new normal
        ((0.5, 0.9, 0.5), {"window": 1}, "for"),
        ((0.9, 0.9, 0.9, 0.5, 0.5, 0.5), {"window": 2}, "foorro"),
        ((-10.0, -10.4), {"relative": True}, "fo"),
        ((-10.0, -10.6), {"relative": True}, "fr"),
        ((0.0, -1e-300), {"relative": True}, "fr"),
        ((1e308, -1e308), {}, "fr"),
        ((), {}, ""),
    ],
)
def test_a_run_is_judged_by_those_before_it(values, asked, told):
    assert states(*values, **asked) == told


def test_gaps_stand_in_the_history_with_what_was_logged():
    found = history(steps(0.9, None, math.nan, 0.8), Question("auc"))
    assert [one["value"] for one in found] == ["0.9", None, "NaN", "0.8"]
    assert [one["baseline"] for one in found] == [None, "0.9", "0.9", "0.9"]
    assert [one["delta"] for one in found] == [None, None, None, "-0.1"]


def test_a_regression_names_what_changed_since_the_run_before_the_unusual_first():
    found = history(
        steps(0.9, 0.9, 0.9, 0.5, month=list("1234"), labelling=["v1", "v1", "v1", "v2"]),
        Question("auc"),
    )
    assert [bool(one["changes"]) for one in found] == [False, False, False, True]
    told = [(c["name"], c["base"], c["value"], c["changed_before"]) for c in found[3]["changes"]]
    assert told == [("labelling", "v1", "v2", 0), ("month", "3", "4", 2)]
    assert found[3]["changes"][0]["steps_before"] == 2
    assert found[3]["before"] == found[2]["digest"]


def test_runs_stand_in_the_order_of_their_starts_and_those_without_one_last():
    late, early = steps(0.9, start=2_000_000_000_000)[0], steps(0.8)[0]
    never = step(record_of(samples.run({"auc": 0.7}, start_time=None), samples.STORE), "auc")
    found = history([never, late, early], Question("auc"))
    assert [one["value"] for one in found] == ["0.8", "0.9", "0.7"]
    assert found[2]["started"] is None


@given(st.lists(st.none() | st.floats(), max_size=12), st.sampled_from(["best", "median"]))
def test_any_series_is_judged_run_by_run(values, against):
    found = history(steps(*values), Question("auc", against=against, window=3))
    assert len(found) == len(values)
    for value, one in zip(values, found, strict=True):
        known = value is not None and math.isfinite(value)
        assert (one["state"] == "unknown") == (not known)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=12))
def test_lower_is_better_of_the_negative_as_higher_is_of_the_positive(values):
    up = history(steps(*values), Question("auc", "higher"))
    down = history(steps(*(-value for value in values)), Question("auc", "lower"))
    assert [one["state"] for one in up] == [one["state"] for one in down]


@pytest.mark.parametrize("nothing", [None, math.nan])
def test_what_changed_with_a_run_that_failed_is_named_at_the_one_that_was_measured(nothing):
    labelling = ["v1", "v1", "v1", "v2", "v2"]
    found = history(steps(0.9, 0.9, 0.9, nothing, 0.6, labelling=labelling), Question("auc"))
    worse = found[-1]
    assert [one["name"] for one in worse["changes"]] == ["labelling"]
    assert worse["before"] == found[2]["digest"]
    assert (worse["changes"][0]["changed_before"], worse["changes"][0]["steps_before"]) == (0, 2)
