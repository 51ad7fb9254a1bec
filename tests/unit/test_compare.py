"""What differs between two records: nothing for the same, the mirror image the other way round."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlflow_evidence_plugin.record import record_of
from mlflow_evidence_plugin.record.compare import (
    ADDED,
    CHANGED,
    REMOVED,
    SECTIONS,
    comparison,
    differences,
    lacking,
)
from mlflow_evidence_plugin.record.forge import commits
from mlflow_evidence_plugin.snapshot import Artifact, Dataset, Gap
from tests.unit import samples

NAMES = st.sampled_from(["a", "b", "c/d", "é"])
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
FIGURES = st.floats() | st.sampled_from([0.0, -0.0, 1e308, -1e308, 5e-324])
ARTIFACTS = st.dictionaries(NAMES, st.sampled_from(["ab", "cd"]), max_size=4)
GAPS = st.lists(st.sampled_from(["outputs", "outputs/a", "outputs/c", "outputs/b"]), max_size=2)


@st.composite
def runs(draw):
    found = draw(ARTIFACTS)
    inputs = draw(st.lists(st.tuples(st.sampled_from("xy"), st.sampled_from("12")), max_size=3))
    return samples.run(
        draw(st.dictionaries(NAMES, FIGURES, max_size=4)),
        parameters=draw(st.dictionaries(NAMES, TEXT, max_size=4)),
        tags=draw(st.dictionaries(NAMES, TEXT, max_size=3)),
        artifacts=tuple(Artifact(path, len(path), sha * 32) for path, sha in found.items()),
        inputs=tuple(Dataset(name, digest, "code", "{}", "train") for name, digest in inputs),
        gaps=tuple(Gap(place, "unreadable", "x") for place in draw(GAPS)),
        end_time=draw(st.sampled_from([None, 1_700_000_060_000, 1_700_000_090_000])),
    )


def document(run=None, **changes):
    return record_of(run or samples.run(**changes), samples.STORE).document


def by_name(found):
    return {(one["section"], one["name"]): one for one in found["items"]}


@given(runs())
def test_a_record_does_not_differ_from_itself(run):
    one = document(run)
    assert differences(one, one) == [] or all(
        each["kind"] == "unknown" and each["section"] == "metrics" for each in differences(one, one)
    )
    found = comparison([one, one], {"a": "higher"})
    assert (found["items"], found["gaps"]) == ([], [])
    assert found["others"][0]["same"]


MIRROR = {"added": "removed", "removed": "added"}
TURNED = {"better": "worse", "worse": "better"}


@settings(max_examples=100, deadline=None)
@given(runs(), runs())
def test_the_other_way_round_is_the_mirror_image(one, other):
    directions = {"a": "higher", "b": "lower"}
    there = comparison([document(one), document(other)], directions)
    back = comparison([document(other), document(one)], directions)
    assert len(there["items"]) == len(back["items"])
    for mine, theirs in zip(there["items"], back["items"], strict=True):
        assert (mine["base"], mine["value"]) == (theirs["value"], theirs["base"])
        assert MIRROR.get(mine["kind"], mine["kind"]) == theirs["kind"]
        assert TURNED.get(mine["verdict"], mine["verdict"]) == theirs["verdict"]
        if mine["delta"] is not None:
            assert Decimal(mine["delta"]) == Decimal(theirs["delta"]).copy_negate()
    turned = [{**gap, "base": gap["value"], "value": gap["base"]} for gap in back["gaps"]]
    assert there["gaps"] == turned


def test_what_only_one_has_is_added_or_removed_and_what_is_equal_is_not_told():
    base = document(parameters={"depth": "6", "seed": "7", "old": "1"})
    other = document(parameters={"depth": "8", "seed": "7", "new": "2"})
    found = {one["name"]: one for one in differences(base, other)}
    assert set(found) == {"depth", "old", "new"}
    assert (found["depth"]["base"], found["depth"]["value"]) == ("6", "8")
    assert [found[name]["kind"] for name in ("depth", "old", "new")] == [
        "changed", "removed", "added",
    ]  # fmt: skip


def test_metrics_have_exact_deltas_and_are_judged_where_somebody_said_which_way_is_better():
    base = document(samples.run({"auc": 0.3, "loss": 0.1, "other": 1.0, "zero": 0.0}))
    other = document(samples.run({"auc": 0.1, "loss": 0.3, "other": 2.0, "zero": 1.0}))
    found = by_name(comparison([base, other], {"auc": "lower", "loss": "lower"}))
    auc, loss = found["metrics", "auc"], found["metrics", "loss"]
    assert (auc["delta"], auc["relative"], auc["verdict"]) == ("-0.2", "-0.666667", "better")
    assert (loss["delta"], loss["relative"], loss["verdict"]) == ("0.2", "2", "worse")
    assert found["metrics", "other"]["verdict"] is None
    assert found["metrics", "zero"]["relative"] is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_of_what_is_no_number_it_is_unknown_whether_it_is_better(value):
    base, other = (document(samples.run({"auc": one})) for one in (0.9, value))
    (found,) = comparison([base, other], {"auc": "higher"})["items"]
    assert (found["kind"], found["delta"], found["verdict"]) == ("changed", None, "unknown")


def test_two_that_are_no_numbers_are_not_the_same():
    nan = samples.run({"auc": float("nan")})
    (found,) = differences(document(nan), document(replace(nan, run_id="b" * 32)))
    assert (found["name"], found["kind"]) == ("auc", "unknown")


def test_a_file_that_could_not_be_read_is_neither_added_nor_removed():
    there = samples.run()
    lost = samples.run(
        artifacts=(), gaps=(Gap("outputs/model", "not-listed", "refused"),), parameters={"x": "1"}
    )
    kept = replace(lost, artifacts=(Artifact("b.txt", 1, "ef" * 32),))
    found = {one["name"]: one["kind"] for one in differences(document(there), document(kept))}
    assert found["model/model.pkl"] == "unknown"
    assert found["a.txt"] == "removed"
    assert found["b.txt"] == "added"


def test_an_absent_section_is_unknown_with_its_reason():
    base, other = document(), document(inputs=(), parameters={})
    kinds = {(one["section"], one["kind"]) for one in differences(base, other)}
    assert kinds == {("inputs", "unknown"), ("parameters", "unknown")}
    told = {one["section"]: one for one in lacking(base, other)}
    assert told["inputs"] == {
        "section": "inputs", "base": None, "value": "the run logged no inputs",
    }  # fmt: skip
    assert told["version"]["base"] == told["version"]["value"] != None  # noqa: E711


def test_a_dataset_with_another_digest_is_changed_and_two_of_a_name_are_told_apart():
    def inputs(*digests):
        return tuple(Dataset("loans", one, "code", "{}", "training") for one in digests)

    (found,) = differences(document(inputs=inputs("d1")), document(inputs=inputs("d2")))
    assert (found["name"], found["kind"]) == ("loans", "changed")
    several = differences(document(inputs=inputs("d1", "d2")), document(inputs=inputs("d2", "d3")))
    assert [(one["name"], one["kind"]) for one in several] == [
        ("loans@d1", "removed"), ("loans@d3", "added"),
    ]  # fmt: skip


def test_a_changed_file_is_told_with_size_and_digest():
    other = (Artifact("model/model.pkl", 9, "ef" * 32), Artifact("a.txt", 1, "cd" * 32))
    (found,) = [
        one
        for one in differences(document(), document(artifacts=other))
        if one["section"] == "outputs"
    ]
    assert found["base"] == {"size": 3, "sha256": "ab" * 32}
    assert found["value"] == {"size": 9, "sha256": "ef" * 32}


def test_mlflows_own_tags_are_left_out_and_ours_are_governance():
    base = document(tags={"mlflow.user": "a", "evidence.owner": "jane", "team": "x"})
    other = document(tags={"mlflow.user": "b", "evidence.owner": "jo", "team": "y"})
    assert [(one["section"], one["name"]) for one in differences(base, other)] == [
        ("governance", "owner"), ("tags", "team"),
    ]  # fmt: skip


def test_every_section_of_a_record_is_compared_or_left_out_on_purpose():
    left_out = {"schema", "subject", "history", "models", "lineage", "findings", "gaps"}
    assert set(samples.record().document) == set(SECTIONS) | left_out


OLD, NEW = "1" * 40, "2" * 40


def code(commit=OLD, remote=None, **more):
    tags = {"evidence.git.commit": commit, **more}
    return document(tags={**tags, **({"evidence.git.remote": remote} if remote else {})})


@pytest.mark.parametrize(
    ("remote", "link"),
    [
        ("https://github.com/a/b.git", f"https://github.com/a/b/compare/{OLD}...{NEW}"),
        ("git@github.com:a/b.git", f"https://github.com/a/b/compare/{OLD}...{NEW}"),
        ("ssh://git@gitlab.com/a/b/c", f"https://gitlab.com/a/b/c/-/compare/{OLD}...{NEW}"),
        (
            "https://bitbucket.org/a/b",
            f"https://bitbucket.org/a/b/branches/compare/{NEW}%0D{OLD}",
        ),
        ("https://github.com.evil.example/a/b", None),
        ("https://evil.example/github.com/a/b", None),
        ("https://github.com/a/b?x=<script>", None),
        ("https://github.com/../x", None),
        ("javascript:alert(1)//github.com/a/b", None),
        ("https://github.com@evil.example/a/b", None),
        ("/srv/git/a", None),
        (None, None),
    ],
)
def test_commits_have_a_range_and_a_link_on_a_known_forge_only(remote, link):
    found = commits(code(OLD, remote), code(NEW, remote, **{"evidence.git.dirty": "true"}))
    assert found == {
        "range": f"{OLD}..{NEW}", "same": False, "dirty": [None, "true"], "link": link,
    }  # fmt: skip


def test_commits_that_are_not_known_or_of_two_repositories_have_none():
    assert commits(document(), code()) is None
    assert commits(code("--output=x"), code()) is None
    assert (
        commits(code(OLD, "https://github.com/a/b"), code(NEW, "https://github.com/a/c"))["link"]
        is None
    )


def test_a_dataset_that_both_have_is_no_change_where_one_has_another_of_that_name():
    first, second = (Dataset("forgings", digest, "code", "{}", "training") for digest in "ab")
    base, both = (samples.record(inputs=inputs).document for inputs in ((first,), (first, second)))
    added = [(one["name"], one["kind"]) for one in differences(base, both, ["inputs"])]
    assert len(added) == 1 and added[0][1] == ADDED and "b" in added[0][0]
    removed = [one["kind"] for one in differences(both, base, ["inputs"])]
    assert removed == [REMOVED]
    moved = differences(base, samples.record(inputs=(second,)).document, ["inputs"])
    assert [(one["name"], one["kind"]) for one in moved] == [("forgings", CHANGED)]
