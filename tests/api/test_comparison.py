"""Candidates side by side, and a metric over time: over REST, of what is the caller's alone."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import datetime, timezone
from urllib.parse import quote

import pytest

from tests.api.visitors import Visitor

UNKNOWN = "sha256:" + "0" * 64
DAY = 86_400_000
START = int(datetime(2026, 1, 1, tzinfo=timezone.utc).timestamp() * 1000)


@pytest.fixture(scope="module")
def monthly(maker, admin):
    """A run a day with one that is worse and one without the metric; two have versions."""
    name, model = maker.new_name("monthly"), maker.new_name("forge")
    experiment, digests = maker.experiment(name), []
    for n, (value, label) in enumerate([(0.9, 1), (0.91, 1), (None, 1), (0.6, 2), (0.9, 3)]):
        run_id = maker.client.create_run(
            experiment, start_time=START + n * DAY, run_name=f"day {n}"
        ).info.run_id
        if value:
            maker.client.log_metric(run_id, "auc", value)
        maker.client.log_param(run_id, "labelling", f"v{label}")
        maker.client.log_param(run_id, "day", str(n))
        maker.client.set_terminated(run_id, end_time=START + n * DAY + 1000)
        subject = {"run_id": run_id}
        if n in (1, 3):
            subject = {"model": model, "version": maker.version(model, run_id)}
        digests.append(admin.capture(**subject).json["digest"])
    return {"name": name, "model": model, "digests": digests}


@pytest.fixture(scope="module")
def path(monthly):
    return f"/v1/experiments/{monthly['name']}/history?metric=auc"


def changes(found, number=1):
    return {(one["section"], one["name"]): one for one in found["items"] if one["other"] == number}


def test_versions_are_compared_by_name_and_digest(admin, monthly):
    base, other = (f"models/{monthly['model']}/{n}" for n in (1, 2))
    answer = admin.get(
        f"/v1/compare?base={base}&other={other}&other={monthly['digests'][4]}&higher=auc"
    )
    assert answer.status_code == 200
    found = answer.json
    assert found["others"][0]["subject"] == other
    assert found["base"]["digest"] == monthly["digests"][1]
    auc = changes(found)["metrics", "auc"]
    assert (auc["base"], auc["value"], auc["delta"]) == ("0.91", "0.6", "-0.31")
    assert auc["verdict"] == "worse"
    assert changes(found, 2)["metrics", "auc"]["delta"] == "-0.01"
    assert changes(found)["parameters", "labelling"]["value"] == "v2"
    run = {one["section"] for one in found["gaps"] if one["other"] == 2}
    assert {"version", "model_files"} <= run


def test_a_record_is_the_same_as_itself(admin, monthly):
    digest = monthly["digests"][0]
    found = admin.get(f"/v1/compare?base={digest}&other={digest}").json
    assert (found["others"][0]["same"], found["items"], found["gaps"]) == (True, [], [])


def test_an_alias_is_compared_as_it_stands_now(admin, maker, monthly):
    maker.client.set_registered_model_alias(monthly["model"], "production", "1")
    alias = f"models/{monthly['model']}@production"
    found = admin.get(f"/v1/compare?base={alias}&other=models/{monthly['model']}/2").json
    assert found["base"]["subject"] == f"models/{monthly['model']}/1"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 422),
        ("?base=runs/x", 422),
        ("?base=nonsense&other=nonsense", 422),
        ("?base=models/a&other=models/a/1", 422),
        ("?base=models/a/1/2&other=models/a/1", 422),
        ("?base=sha256:abc&other=models/a/1", 422),
        ("?base={digest}&other={digest}&higher=auc&lower=auc", 422),
        ("?base={digest}&other={digest}&better=auc", 422),
        ("?base={digest}" + "&other={digest}" * 10, 422),
        ("?base={digest}&base={digest}&other={digest}", 400),
        ("?base={digest}&other=", 422),
        ("?base={digest}&other=" + UNKNOWN, 404),
        ("?base={digest}&other=runs/unknown", 404),
        ("?base={digest}&other=models/unknown/1", 404),
    ],
)
def test_what_cannot_be_compared_is_refused(admin, monthly, query, status):
    answer = admin.get("/v1/compare" + query.replace("{digest}", monthly["digests"][0]))
    assert answer.status_code == status


def test_only_the_parameter_of_candidates_may_stand_twice(admin, monthly):
    digest = monthly["digests"][0]
    several = "&".join(f"other={one}" for one in monthly["digests"])
    assert admin.get(f"/v1/compare?base={digest}&{several}").status_code == 200
    assert admin.get("/v1/bundles?other=a&other=b").status_code == 422


def test_a_stranger_compares_and_follows_nothing(client, tokens, monthly, path):
    stranger = client(tokens.stranger)
    base, other = monthly["digests"][:2]
    assert stranger.get(f"/v1/compare?base={base}&other={other}").status_code == 404
    answer = stranger.get(path)
    assert answer.status_code == 404
    unknown = stranger.get("/v1/experiments/unknown/history?metric=auc")
    assert unknown.json["detail"].replace("unknown", monthly["name"]) == answer.json["detail"]


def test_who_sees_the_experiment_but_not_the_model_follows_the_runs_alone(
    client, service, monthly, path
):
    token = service.token(
        "half", "evidence:read", experiments=(monthly["name"],), models=("nothing",)
    )
    found = client(token).get(path).json["items"]
    assert [one["name"] for one in found] == ["day 0", "day 2", "day 4"]
    compared = f"/v1/compare?base={monthly['digests'][0]}&other={monthly['digests'][1]}"
    assert client(token).get(compared).status_code == 404


def test_a_history_marks_the_regression_and_names_the_cause(admin, path):
    found = admin.get(path).json
    assert [one["state"] for one in found["items"]] == [
        "first", "ok", "unknown", "regression", "ok",
    ]  # fmt: skip
    worse = found["items"][3]
    assert (worse["value"], worse["baseline"], worse["delta"]) == ("0.6", "0.905", "-0.305")
    assert [one["name"] for one in worse["changes"]] == ["labelling", "day"]
    assert worse["changes"][0]["changed_before"] == 0
    assert worse["before"] == found["items"][1]["digest"]  # the last that has a value
    assert found["truncated"] is False
    assert found["tolerance"] == "5%"


def test_what_counts_as_a_regression_is_asked(admin, path):
    def states(query):
        return [one["state"][0] for one in admin.get(path + query).json["items"]]

    assert states("&tolerance=0.4") == list("fouoo")
    assert states("&direction=lower&tolerance=0") == list("fruoo")
    assert states("&against=best&window=1&tolerance=0") == list("fouro")


def test_a_history_is_bounded_by_the_runs_captured_last(admin, path):
    found = admin.get(path + "&limit=2").json
    assert [one["name"] for one in found["items"]] == ["day 3", "day 4"]
    assert found["truncated"] is True


def test_a_run_stands_once_with_what_was_seen_last(admin, maker):
    name, model = maker.new_name("again"), maker.new_name("again")
    run_id = maker.run(experiment=name)
    first = admin.capture(run_id=run_id).json["digest"]
    version = admin.capture(model=model, version=maker.version(model, run_id)).json["digest"]
    history = f"/v1/experiments/{name}/history?metric=auc"
    assert [one["digest"] for one in admin.get(history).json["items"]] == [version]
    maker.client.set_tag(run_id, "note", "1")
    second = admin.capture(run_id=run_id).json["digest"]
    assert [one["digest"] for one in admin.get(history).json["items"]] == [second]
    maker.client.delete_tag(run_id, "note")
    third = admin.capture(run_id=run_id).json["digest"]
    assert [one["digest"] for one in admin.get(history).json["items"]] == [third]
    assert first != second


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 422),
        ("?metric=", 422),
        ("?metric=auc&direction=up", 422),
        ("?metric=auc&window=0", 422),
        ("?metric=auc&limit=501", 422),
        ("?metric=auc&tolerance=-1", 422),
        ("?metric=auc&tolerance=1e9", 422),
        ("?metric=auc&tolerance=٣", 422),
        ("?metric=auc&metric=auc", 400),
    ],
)
def test_a_question_that_is_none_is_refused(admin, monthly, query, status):
    answer = admin.get(f"/v1/experiments/{monthly['name']}/history{query}")
    assert answer.status_code == status


def test_a_metric_that_nobody_logged_is_answered_with_those_that_there_are(admin, path):
    answer = admin.get(path.replace("=auc", "=acu"))
    assert (answer.status_code, answer.json["code"]) == (404, "not-found")
    assert "acu" in answer.json["detail"] and "auc" in answer.json["mend"]


@pytest.mark.parametrize("kind", ["image/svg+xml", "image/png"])
def test_the_plot_is_served_with_the_same_bytes_each_time(admin, path, kind):
    first, again = (admin.get(path, headers={"Accept": kind}) for _ in range(2))
    assert (first.status_code, first.mimetype) == (200, kind)
    assert first.data == again.data
    if kind == "image/svg+xml":
        ET.fromstring(first.data)
    else:
        assert first.data.startswith(b"\x89PNG")


def test_both_come_as_markdown(admin, monthly, path):
    told = {"headers": {"Accept": "text/markdown"}}
    history = admin.get(path, **told).text
    assert "**regression**" in history and "`labelling: v1 → v2`" in history
    base, other = monthly["digests"][1], monthly["digests"][3]
    compared = admin.get(f"/v1/compare?base={base}&other={other}&higher=auc", **told).text
    assert "- Metrics `auc`: base `0.91`; 1: `0.6`, -0.31 (-34.1 %); worse" in compared


def test_another_format_is_not_acceptable(admin, monthly, path):
    digest = monthly["digests"][0]
    for target in (path, f"/v1/compare?base={digest}&other={digest}"):
        assert admin.get(target, headers={"Accept": "application/pdf"}).status_code == 406


def test_an_experiment_with_slashes_in_its_name_is_followed(admin, app, maker, service):
    name = f"/Users/ana//{maker.new_name('credit')}/history"
    assert admin.capture(run_id=maker.run(experiment=name)).status_code == 201
    path = f"/experiments/{quote(name, safe='')}/history"
    found = admin.get(f"/v1{path}?metric=auc").json
    assert (found["experiment"], len(found["items"])) == (name, 1)
    visitor = Visitor(app, (service.home / "token").read_text().strip())
    assert visitor.get(f"{path}?metric=auc").status_code == 200
    assert visitor.get(f"{path}.svg?metric=auc").mimetype == "image/svg+xml"
    assert admin.get(f"/v1/experiments/{'x' * 257}/history?metric=auc").status_code == 404
