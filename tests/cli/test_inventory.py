"""`inventory`: over two real services; one that is away is said, and the rest is shown.

Both stand on one tracking server: what is in the list of both is told apart by its evidence.
"""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from werkzeug.wrappers import Request, Response

from tests.conftest import serve
from tests.faults.meddler import meddling

AWAY = "http://127.0.0.1:1"


@pytest.fixture(scope="module")
def captures(captured, admin, maker):
    """A run without owner and ticket beside the world's; it, the run and the good version again."""
    bare = maker.run(tags={})
    assert admin.capture(run_id=bare).status_code == 201
    return SimpleNamespace(bare=f"runs/{bare}")


@pytest.fixture
def first(service, captures, serving) -> tuple[str, str]:
    """URL and token of a service with evidence."""
    return serving(service.app()), (service.home / "token").read_text().strip()


@pytest.fixture
def second(mlflow_url, world, tmp_path, serving) -> tuple[str, str]:
    """Another service, with evidence of one run."""
    from tests.contract.checked import Client

    made = serve(tmp_path / "second", mlflow_url)
    token = (made.home / "token").read_text().strip()
    app = made.app()
    assert Client(app, token).capture(run_id=world.odd).status_code == 201
    yield serving(app), token
    made.evidence.capturing.database.dispose()


def both(first, second) -> tuple[list[str], dict[str, str]]:
    words = ["--service", f"prod={first[0]}", "--service", f"lab-2={second[0]}"]
    return words, {"EVIDENCE_TOKEN_PROD": first[1], "EVIDENCE_TOKEN_LAB_2": second[1]}


def test_two_services_are_one_list_with_what_is_missing(az, first, second, captures, world):
    words, env = both(first, second)
    done = az("inventory", *words, **env)
    assert done.code == 0, done.err
    assert (done.json["problems"], done.json["truncated"]) == ([], [])
    found = {(one["service"], one["subject"]): one for one in done.json["items"]}
    assert len(found) == len(done.json["items"])  # each subject once
    good = found["prod", f"models/credit/{world.v_good}"]
    assert (good["owner"], good["ticket"], good["listed"]) == ("ana@example.org", "CHG-1042", True)
    assert good["lacks"] == ["cost_center", "monitoring", "approval"]
    bare = found["prod", captures.bare]
    assert (bare["owner"], bare["ticket"], bare["lacks"][0]) == (None, None, "owner")
    there = [key for key, one in found.items() if key[0] == "lab-2" and one["digest"]]
    assert there == [("lab-2", f"runs/{world.odd}")]
    assert "evidence" in found["lab-2", captures.bare]["lacks"]


def test_one_service_is_that_of_the_environment(az, first, captures):
    url, token = first
    words = ("-o", "tsv", "--query", "items[?contains(lacks, 'ticket')].subject")
    done = az("inventory", *words, EVIDENCE_URL=url, EVIDENCE_TOKEN=token)
    assert done.code == 0, done.err
    assert captures.bare in done.out.split()


def test_tsv_lists_the_subjects_and_a_table_what_each_lacks(az, first, captures):
    env = dict(zip(("EVIDENCE_URL", "EVIDENCE_TOKEN"), first, strict=True))
    everything = az("inventory", **env).json["items"]
    tsv = az("inventory", "-o", "tsv", **env).out.splitlines()
    assert len(tsv) == len(everything)
    table = az("inventory", "-o", "table", COLUMNS="600", **env).out.splitlines()
    assert len(table) == len(everything) + 1
    (bare,) = [line for line in table if captures.bare in line]
    assert bare.rstrip().endswith("owner cost_center ticket rollback monitoring")


def test_verdicts_are_told_by_environment(az, first, world):
    env = dict(zip(("EVIDENCE_URL", "EVIDENCE_TOKEN"), first, strict=True))
    version = f"models/credit/{world.v_good}"
    assert az("decide", version, "-e", "lab", **env).code == 0
    query = f"items[?subject=='{version}'].verdicts | [0]"
    assert az("inventory", "--query", query, **env).json["lab"] == "passed"


def test_pages_are_followed_to_the_end(az, first, monkeypatch):
    env = dict(zip(("EVIDENCE_URL", "EVIDENCE_TOKEN"), first, strict=True))
    whole = az("inventory", **env).json
    monkeypatch.setattr("mlflow_evidence_plugin.client.STORE_PAGE", 3)
    assert az("inventory", **env).json == whole
    assert len(whole["items"]) > 3


def test_a_bound_is_told_where_it_cuts(az, first, second):
    words, env = both(first, second)
    done = az("inventory", *words, "--max", "1", **env)
    assert done.code == 0
    assert [one["service"] for one in done.json["items"]] == ["prod", "lab-2"]
    assert done.json["truncated"] == ["prod", "lab-2"]
    assert "prod: only the first 1 subjects" in done.err


def test_a_service_that_is_away_is_said_and_the_rest_is_shown(az, second, world):
    words, env = both((AWAY, "x"), second)
    done = az("inventory", *words, **env)
    assert done.code == 6
    (problem,) = done.json["problems"]
    assert (problem["service"], problem["code"]) == ("prod", "service-unavailable")
    assert f"runs/{world.odd}" in [one["subject"] for one in done.json["items"]]
    assert "error: prod: " in done.err and "mend: " in done.err
    table = az("inventory", *words, "-o", "table", COLUMNS="600", **env)
    assert (table.code, len(table.out.splitlines())) == (6, len(done.json["items"]) + 2)


def test_a_token_that_one_service_does_not_take_is_said(az, first, second):
    words, env = both((first[0], "mle_0123456789abcdef_wrong"), second)
    done = az("inventory", *words, **env)
    assert done.code == 5
    assert {one["service"] for one in done.json["items"]} == {"lab-2"}
    assert done.json["problems"][0]["code"] == "unauthorized"


def test_a_service_that_breaks_off_half_way_is_said_with_what_it_gave(az, first, monkeypatch):
    monkeypatch.setattr("mlflow_evidence_plugin.client.STORE_PAGE", 1)
    with meddling(first[0]) as meddler:

        def second_page(asked, forward):
            found = forward()
            broken = type(found)(502, b"<html>", "text/html")
            return broken if "cursor" in asked else found

        meddler.meddle = second_page
        done = az("inventory", EVIDENCE_URL=meddler.url, EVIDENCE_TOKEN=first[1])
    assert done.code == 6
    assert (len(done.json["items"]), len(done.json["problems"])) == (1, 1)


@pytest.mark.parametrize(
    "page",
    [
        [],
        {"items": "x", "next": None},
        {"items": ["x"], "next": None},
        {"next": None},
        {"items": [], "next": "7"},
        {"items": [{"subject": "runs/a"}], "next": "7"},
    ],
    ids=["list", "text", "texts", "no-items", "empty-for-ever", "same-for-ever"],
)
def test_what_is_no_page_of_evidence_is_a_problem(az, serving, page):
    @Request.application
    def rubbish(_: Request) -> Response:
        return Response(json.dumps(page), mimetype="application/json")

    done = az("inventory", EVIDENCE_URL=serving(rubbish), EVIDENCE_TOKEN="x")
    assert done.code == 6
    assert done.json["problems"][0]["code"] == "service-unavailable"


def test_an_older_service_tells_less(az, serving):
    @Request.application
    def old(_: Request) -> Response:
        item = {"subject": "runs/a\n\x1b[2J", "digest": "sha256:0", "captured_at": "2026"}
        return Response(json.dumps({"items": [item], "next": None}), mimetype="application/json")

    env = {"EVIDENCE_URL": serving(old), "EVIDENCE_TOKEN": "x"}
    (item,) = az("inventory", **env).json["items"]
    assert (item["owner"], item["verdicts"], item["lacks"]) == (None, None, [])
    table = az("inventory", "-o", "table", **env).out
    assert len(table.splitlines()) == 2 and "\x1b" not in table


@pytest.mark.parametrize(
    ("words", "env", "code", "said"),
    [
        ([], {}, 7, "--service NAME=URL"),
        (["--service", AWAY], {}, 2, "NAME=URL"),
        (["--service", f"=${AWAY}"], {}, 2, "NAME=URL"),
        (["--service", f"a={AWAY}"], {}, 7, "EVIDENCE_TOKEN_A"),
        (["--service", f"a={AWAY}"], {"EVIDENCE_TOKEN": "x"}, 7, "EVIDENCE_TOKEN_A"),
        (["--service", f"a={AWAY}", "--service", f"a={AWAY}"], {}, 2, "a name of its own"),
        (["--max", "0"], {}, 2, "--max"),
        ([], {"EVIDENCE_URL": "not a url", "EVIDENCE_TOKEN": "x"}, 7, "not a url"),
    ],
    ids=["none", "no-name", "empty-name", "no-token", "another-token", "twice", "max", "no-url"],
)
def test_a_slip_is_said(az, words, env, code, said):
    done = az("inventory", *words, **env)
    assert done.code == code
    assert said in done.err


def test_of_what_is_again_as_it_was_the_newest_evidence_is_shown(az, first, maker):
    env = dict(zip(("EVIDENCE_URL", "EVIDENCE_TOKEN"), first, strict=True))
    run_id = maker.run()
    digests = []
    for note in ("a", "b", "a"):
        maker.client.set_tag(run_id, "note", note)
        digests.append(az("capture", f"runs/{run_id}", **env).json["digest"])
    query = f"items[?subject=='runs/{run_id}'].digest"
    assert az("inventory", "--captured", "--query", query, **env).json == [digests[2]]
    assert digests[0] == digests[2] != digests[1]
    assert az("inventory", "--query", query, **env).json == [digests[2]]


def test_filters_are_the_service_s(az, first, captures, world):
    env = dict(zip(("EVIDENCE_URL", "EVIDENCE_TOKEN"), first, strict=True))
    done = az("inventory", "--lacks", "owner", "--captured", "--days", "30", **env)
    assert captures.bare in [one["subject"] for one in done.json["items"]]
    assert {one["listed"] for one in done.json["items"]} == {None}
    assert all("owner" in one["lacks"] for one in done.json["items"])
    assert f"models/credit/{world.v_good}" not in done.out
    assert az("inventory", "--lacks", "luck", **env).code == 2


@pytest.mark.parametrize("by", ["owner", "cost_center"])
def test_it_is_added_up(az, first, captures, by):
    env = dict(zip(("EVIDENCE_URL", "EVIDENCE_TOKEN"), first, strict=True))
    everything = az("inventory", **env).json["items"]
    found = az("inventory", "--by", by, **env).json["items"]
    assert {one["group"] for one in found} == {one[by] for one in everything}
    assert sum(one["subjects"] for one in found) == len(everything)
    table = az("inventory", "--by", by, "-o", "table", **env).out
    assert "(nobody)" in table and "owner: " in table


def test_a_store_that_is_away_is_said_and_what_was_captured_is_shown(
    az, service, captures, serving, monkeypatch
):
    from tests.api.stores import silent

    url = serving(service.on_store(silent(service, monkeypatch)))
    token = (service.home / "token").read_text().strip()
    done = az("inventory", EVIDENCE_URL=url, EVIDENCE_TOKEN=token)
    assert done.code == 6
    assert done.json["problems"][0]["code"] == "store-unavailable"
    assert captures.bare in [one["subject"] for one in done.json["items"]]
    assert "when the store is back" in done.err
