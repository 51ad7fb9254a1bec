"""`stamp` and `run environment`: straight on a store, through the service, and when they fail."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from mlflow_evidence_plugin import tags
from tests.faults.meddler import Answer, meddling

_numbers = itertools.count(1)
REFUSED = {"error_code": "INVALID_PARAMETER_VALUE", "message": "no room"}


@pytest.fixture
def bare(maker, monkeypatch):
    """Makes runs without the plugin, in an experiment of their own."""
    monkeypatch.setenv("EVIDENCE_DISABLED", "1")
    experiment = maker.experiment(f"later-{next(_numbers)}")

    def make(count: int = 1) -> list[str]:
        made = [maker.client.create_run(experiment).info.run_id for _ in range(count)]
        return made[::-1]  # the newest first

    make.experiment = maker.client.get_experiment(experiment).name
    return make


@pytest.fixture
def tags_of(maker):
    return lambda run_id: dict(maker.client.get_run(run_id).data.tags)


def test_nothing_is_written_until_it_is_told_to_and_then_once(on_server, bare, tags_of):
    ids = bare(3)
    words = ("stamp", "--experiment", bare.experiment, "--set", "owner=jo@example.org")
    looked = on_server(*words)
    assert looked.code == 0, looked.err
    assert looked.json["applied"] is False
    assert {one["run_id"] for one in looked.json["items"]} == set(ids)
    assert all(
        one["would_stamp"]["evidence.owner"] == "jo@example.org" for one in looked.json["items"]
    )
    assert not [run_id for run_id in ids if tags.SCHEMA in tags_of(run_id)]

    done = on_server(*words, "--apply")
    assert done.code == 0, done.err
    written = {one["run_id"]: one["stamped"] for one in done.json["items"]}
    for run_id in ids:
        assert tags_of(run_id).items() >= written[run_id].items()
        assert written[run_id][tags.STAMPED_BY] == "backfill"
    again = on_server(*words, "--apply")
    assert (again.code, again.json["items"]) == (0, [])


def test_single_runs_are_stamped_and_the_others_are_not(on_server, bare, tags_of):
    first, second, third = bare(3)
    done = on_server("stamp", "--run", first, "--run", third, "--apply")
    assert [one["run_id"] for one in done.json["items"]] == [first, third]
    assert tags.SCHEMA not in tags_of(second)


def test_deleted_and_unknown_runs_are_told_and_passed_over(on_server, bare, maker):
    kept, gone = bare(2)
    maker.client.delete_run(gone)
    done = on_server("stamp", "--run", gone, "--run", "0" * 32, "--run", kept, "--apply")
    assert done.code == 1
    assert {one["run_id"]: one["code"] for one in done.json["skipped"]} == {
        gone: "conflict",
        "0" * 32: "not-found",
    }
    assert [one["run_id"] for one in done.json["items"]] == [kept]
    assert f"left out: {gone}: run {gone} is deleted" in done.err
    listed = on_server("stamp", "--experiment", bare.experiment)
    assert listed.json["items"] == []


def test_there_are_more_than_was_asked_for(on_server, bare):
    bare(3)
    words = ("stamp", "--experiment", bare.experiment, "--max", "2", "--apply")
    first = on_server(*words)
    assert (len(first.json["items"]), first.json["truncated"]) == (2, True)
    assert "only the first 2" in first.err
    second = on_server(*words)
    assert (len(second.json["items"]), second.json["truncated"]) == (1, False)


def test_a_run_that_the_store_refuses_is_told_and_the_others_go_on(az, mlflow_url, bare, tags_of):
    ids = bare(3)
    writes = itertools.count(1)

    def refuse_the_second(asked, forward):
        if "runs/log-batch" in asked and next(writes) == 2:
            return Answer(400, json.dumps(REFUSED).encode())
        return forward()

    with meddling(mlflow_url) as meddler:
        meddler.meddle = refuse_the_second
        done = az(
            "stamp", "--experiment", bare.experiment, "--apply", MLFLOW_TRACKING_URI=meddler.url
        )
    assert done.code == 1, done.err
    (skipped,) = done.json["skipped"]
    assert (skipped["run_id"], skipped["code"]) == (ids[1], "store-refused")
    assert [tags.SCHEMA in tags_of(run_id) for run_id in ids] == [True, False, True]


def test_a_store_that_goes_away_ends_it_and_what_was_done_is_told(az, mlflow_url, bare, tags_of):
    ids = bare(6)
    writes = itertools.count(1)

    def away_from_the_second(asked, forward):
        if "runs/log-batch" in asked and next(writes) > 1:
            return Answer(500, b"{}")
        return forward()

    with meddling(mlflow_url) as meddler:
        meddler.meddle = away_from_the_second
        env = {"MLFLOW_TRACKING_URI": meddler.url, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
        done = az("stamp", "--experiment", bare.experiment, "--apply", **env)
    assert done.code == 6
    assert [one["run_id"] for one in done.json["items"]] == ids[:1]
    assert next(writes) == 5  # one that went well, and three in vain
    assert [tags.SCHEMA in tags_of(run_id) for run_id in ids] == [True] + [False] * 5


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--set", "owner"), 2),
        (("--set", "ownr=jo"), 2),
        (("--set", "owner=a", "--set", "owner=b"), 2),
        (("--set", "owner="), 2),
        (("--set", "owner=https://jo:hunter2@example.org"), 2),
        (("--set", "schema=2"), 2),
        (("--experiment", "a", "--run", "b"), 2),
        (("--max", "0"), 2),
        (("--experiment", "no such experiment"), 4),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(on_server, bare, tags_of, words, code):
    (run_id,) = bare()
    done = on_server("stamp", *words, "--apply")
    assert done.code == code, done.err
    assert "hunter2" not in done.out + done.err
    assert tags.SCHEMA not in tags_of(run_id)


def test_a_slip_in_the_address_makes_no_store(az, tmp_path):
    done = az("stamp", MLFLOW_TRACKING_URI=f"sqlite:///{tmp_path / 'slip.db'}")
    assert done.code == 7 and not (tmp_path / "slip.db").exists()


@pytest.fixture
def remote(service, serving, world):
    """Variables that lead to a service, which may write, with a token of the given scopes."""

    def variables(*scopes: str, write_back: bool = True, **globs) -> dict[str, str]:
        url = serving(service.app(write_back=write_back))
        return {"EVIDENCE_URL": url, "EVIDENCE_TOKEN": service.token("cli", *scopes, **globs)}

    return variables


def test_through_the_service_the_same_is_found_and_stamped(az, remote, bare, maker, tags_of):
    first, second = bare(2)
    maker.client.set_tag(second, "evidence.owner", "ana")
    env = remote("evidence:read", "stamp", experiments=("later-*",))
    words = ("stamp", "--experiment", bare.experiment, "--set", "owner=jo", "--set", "team=t")
    looked = az(*words, **env)
    assert looked.code == 0, looked.err
    would = {one["run_id"]: one["would_stamp"] for one in looked.json["items"]}
    done = az(*words, "--apply", **env)
    assert {one["run_id"]: one["stamped"] for one in done.json["items"]} == would
    assert (tags_of(first)["evidence.owner"], tags_of(second)["evidence.owner"]) == ("jo", "ana")
    assert "evidence.owner" not in would[second]
    again = az("stamp", "--run", first, "--apply", **env)
    assert (again.code, again.json["items"]) == (0, [])


@pytest.mark.parametrize(
    ("scopes", "write_back", "said"),
    [
        (("evidence:read",), True, "the scope stamp"),
        (("evidence:read", "stamp"), False, "EVIDENCE_SERVICE_WRITE_BACK"),
    ],
)
def test_a_service_that_may_not_write_ends_it_with_one_error(
    az, remote, bare, tags_of, scopes, write_back, said
):
    ids = bare(2)
    env = remote(*scopes, write_back=write_back)
    for which in (("--experiment", bare.experiment), ("--run", ids[0])):
        done = az("stamp", *which, "--apply", **env)
        assert done.code == 5 and said in done.err
        assert (done.json["items"], done.json["skipped"]) == ([], [])
    assert not [one for one in ids if tags.SCHEMA in tags_of(one)]


def test_a_table_and_lines_for_the_shell(on_server, bare):
    (run_id,) = bare()
    words = ("stamp", "--experiment", bare.experiment)
    table = on_server(*words, "-o", "table").out
    assert run_id in table and "evidence.stamped_by = backfill" in table
    assert on_server(*words, "-o", "tsv", "--query", "items[].run_id").out == f"{run_id}\n"


def test_this_environment_is_shown_and_compared_and_logged(on_server, maker):
    here = on_server("run", "environment").json
    assert any(line.startswith("mlflow-skinny==") for line in here["distributions"])
    experiment = maker.experiment("environments")
    same = maker.client.create_run(experiment, tags={tags.ENV_DIGEST: here["digest"]}).info.run_id
    found = on_server("run", "environment", same)
    assert (found.code, found.json["same"]) == (0, True)
    logged = on_server("run", "environment", same, "--log")
    assert logged.code == 0, logged.err
    path = logged.json["artifact"]
    assert path == f"evidence/environment-{here['digest'][7:]}.json"
    on_server("run", "download", same, "--path", path, "-p", "out")
    assert json.loads(Path("out", path).read_text("utf-8")) == here


@pytest.mark.parametrize("theirs", ["sha256:" + "0" * 64, None])
def test_another_environment_is_told_and_nothing_is_logged_to_its_run(
    on_server, maker, theirs, monkeypatch
):
    monkeypatch.setenv("EVIDENCE_DISABLED", "1")
    known = {tags.ENV_DIGEST: theirs} if theirs else {}
    run_id = maker.client.create_run(maker.experiment("environments"), tags=known).info.run_id
    found = on_server("run", "environment", run_id)
    assert (found.code, found.json["same"], found.json["run"]) == (1, False, theirs)
    refused = on_server("run", "environment", run_id, "--log")
    assert refused.code == 2 and "not made in this environment" in refused.err
    assert maker.client.list_artifacts(run_id) == []


def test_to_log_needs_a_run(az):
    assert az("run", "environment", "--log").code == 2
