"""Backfill over REST: what is found, who may, and that nothing is written unless it is allowed."""

from __future__ import annotations

import base64
import itertools
import json

import pytest

from mlflow_evidence_plugin import tags
from mlflow_evidence_plugin.errors import BadConfig, StoreRefused, StoreUnavailable
from mlflow_evidence_plugin.settings import Settings
from tests.api.stores import Away, Listening, Untouchable
from tests.contract.checked import Client

COMMIT = "0123456789abcdef0123456789abcdef01234567"
GIT = {
    "mlflow.source.git.commit": COMMIT,
    "mlflow.source.git.branch": "main",
    "mlflow.source.git.repoURL": "https://jo:hunter2@git.example.org/credit.git",
}
_numbers = itertools.count(1)


@pytest.fixture
def bare(maker, monkeypatch):
    """Makes runs as they are made without the plugin, in an experiment of their own."""
    monkeypatch.setenv("EVIDENCE_DISABLED", "1")
    experiment = maker.experiment(f"credit-bare-{next(_numbers)}")
    name = maker.client.get_experiment(experiment).name

    def make(**noted: str) -> str:
        return maker.client.create_run(experiment, tags=noted).info.run_id

    make.experiment = name
    return make


@pytest.fixture
def tags_of(maker):
    return lambda run_id: dict(maker.client.get_run(run_id).data.tags)


@pytest.fixture
def writing(service, world):
    """A service that may write, and one client for each kind of token."""
    app = service.app(write_back=True)
    stamp = service.token("stamper", "stamp", experiments=("credit*",))
    return Client(app, stamp)


def found(client, **asked):
    """All pages."""
    items, cursor = [], {}
    while True:
        answer = client.get("/v1/runs/unstamped", query_string={**asked, **cursor})
        assert answer.status_code == 200, answer.text
        items += answer.json["items"]
        if answer.json["next"] is None:
            return items
        cursor = {"cursor": answer.json["next"]}


def test_bare_runs_are_found_with_what_each_would_get_and_nothing_is_written(
    admin, bare, maker, tags_of
):
    ids = [bare(), bare(**GIT), bare(**{"evidence.owner": "ana"})]
    maker.client.set_tag(bare(), tags.SCHEMA, "1")
    before = [tags_of(run_id) for run_id in ids]
    items = {one["run_id"]: one for one in found(admin, experiment=bare.experiment)}
    assert set(items) == set(ids)
    mark = {tags.SCHEMA: "1", tags.STAMPED_BY: "backfill"}
    assert items[ids[0]]["would_stamp"] == mark
    assert items[ids[1]]["would_stamp"] == {
        **mark,
        tags.GIT_COMMIT: COMMIT,
        tags.GIT_BRANCH: "main",
        tags.GIT_REMOTE: "https://git.example.org/credit.git",
    }
    assert items[ids[2]]["carries"] == ["evidence.owner"]
    assert items[ids[0]]["started_at"].endswith("Z")
    assert [tags_of(run_id) for run_id in ids] == before


def test_pages_follow_one_another_through_experiments_and_stamped_runs(admin, bare, maker):
    ids = {bare() for _ in range(5)}
    for _ in range(3):
        maker.client.set_tag(bare(), tags.SCHEMA, "1")
    listed = [one["run_id"] for one in found(admin, experiment=bare.experiment, limit=2)]
    assert sorted(listed) == sorted(ids)
    everywhere = [one["run_id"] for one in found(admin, limit=200)]
    assert ids <= set(everywhere) and len(everywhere) == len(set(everywhere))


def test_a_token_sees_the_runs_of_its_experiments_alone(app, service, bare, maker):
    mine = bare()
    foreign = maker.client.create_run(maker.experiment("secret-lab")).info.run_id
    client = Client(app, service.token("reader", "evidence:read", experiments=("credit*",)))
    listed = {one["run_id"] for one in found(client)}
    assert mine in listed and foreign not in listed
    assert [one["run_id"] for one in found(client, run_id=mine)] == [mine]
    said = [client.get(f"/v1/runs/unstamped?run_id={one}") for one in (foreign, "0" * 32)]
    assert [one.status_code for one in said] == [404, 404]
    assert said[0].json["detail"].replace(foreign, "") == said[1].json["detail"].replace(
        "0" * 32, ""
    )


def test_a_foreign_experiment_is_not_there_and_mlflow_is_not_asked(service):
    token = service.token("reader", "evidence:read", experiments=("credit*",))
    client = Client(service.on_store(Untouchable()), token)
    assert client.get("/v1/runs/unstamped?experiment=secret-lab").status_code == 404


@pytest.mark.parametrize(
    "cursor", ["x", base64.urlsafe_b64encode(b'["0"]').decode().rstrip("="), "bnVsbA", "WzEsMl0"]
)
def test_a_cursor_of_nobody_is_refused(admin, world, cursor):
    assert admin.get(f"/v1/runs/unstamped?cursor={cursor}").status_code == 422


def test_a_cursor_does_not_lead_into_a_foreign_experiment(app, service, bare, maker):
    bare()
    foreign = maker.experiment("secret-lab")
    maker.client.create_run(foreign)
    raw = json.dumps([foreign, base64.b64encode(b'{"offset": 0}').decode()]).encode()
    cursor = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    client = Client(app, service.token("reader", "evidence:read", experiments=("credit*",)))
    assert client.get(f"/v1/runs/unstamped?cursor={cursor}").status_code == 422
    mine = maker.client.get_experiment_by_name(bare.experiment).experiment_id
    raw = json.dumps([mine, "rubbish"]).encode()
    cursor = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    assert client.get(f"/v1/runs/unstamped?cursor={cursor}").status_code == 422


def test_without_write_back_nothing_is_written_and_mlflow_is_not_asked(service, bare, tags_of):
    run_id = bare()
    for token in (service.token("stamper", "stamp"), service.token("boss", "admin")):
        client = Client(service.on_store(Untouchable()), token)
        answer = client.post(f"/v1/runs/{run_id}/stamp", {"values": {"owner": "jo"}})
        assert (answer.status_code, answer.json["code"]) == (403, "write-back-off")
        assert "EVIDENCE_SERVICE_WRITE_BACK" in answer.json["mend"]
    assert tags.SCHEMA not in tags_of(run_id)


@pytest.mark.parametrize(
    ("said", "on"), [("true", True), ("false", False), ("", False), (None, False)]
)
def test_write_back_is_on_by_one_word_alone(said, on):
    env = {} if said is None else {"EVIDENCE_SERVICE_WRITE_BACK": said}
    assert Settings.read(env).write_back is on


@pytest.mark.parametrize("said", ["yes", "1", "TRUE", "on", "no"])
def test_write_back_is_not_guessed_at(said):
    with pytest.raises(BadConfig, match="WRITE_BACK"):
        Settings.read({"EVIDENCE_SERVICE_WRITE_BACK": said})


def test_a_bare_run_is_stamped_once(writing, bare, tags_of):
    run_id = bare(**GIT)
    before = tags_of(run_id)
    answer = writing.post(f"/v1/runs/{run_id}/stamp", {"values": {"owner": "jo", "ticket": "C1"}})
    assert answer.status_code == 200, answer.text
    written = answer.json["stamped"]
    assert written["evidence.owner"] == "jo" and written[tags.STAMPED_BY] == "backfill"
    assert tags_of(run_id) == {**before, **written}
    again = writing.post(f"/v1/runs/{run_id}/stamp", {"values": {"owner": "kim"}})
    assert (again.status_code, again.json["stamped"]) == (200, {})
    assert tags_of(run_id) == {**before, **written}


def test_what_a_run_carries_is_never_overwritten(writing, bare, tags_of):
    run_id = bare(**{"evidence.owner": "ana", tags.STAMPED_BY: "hand"})
    writing.post(f"/v1/runs/{run_id}/stamp", {"values": {"owner": "jo", "team": "t"}})
    after = tags_of(run_id)
    assert (after["evidence.owner"], after["evidence.team"]) == ("ana", "t")
    assert (after[tags.STAMPED_BY], after[tags.SCHEMA]) == ("hand", "1")


def test_a_run_is_read_again_right_before_it_is_stamped(service, writing, bare, maker, tags_of):
    run_id = bare()
    (one,) = found(Client(service.app(), service.token("r", "evidence:read")), run_id=run_id)
    assert one["would_stamp"]
    maker.client.set_tag(run_id, tags.SCHEMA, "1")
    assert writing.post(f"/v1/runs/{run_id}/stamp", {}).json["stamped"] == {}
    assert tags.STAMPED_BY not in tags_of(run_id)


def test_foreign_unknown_and_deleted_runs_are_not_stamped(writing, bare, maker, tags_of):
    foreign = maker.client.create_run(maker.experiment("secret-lab")).info.run_id
    gone = bare()
    maker.client.delete_run(gone)
    said = [writing.post(f"/v1/runs/{one}/stamp", {}) for one in (foreign, "0" * 32, gone)]
    assert [one.status_code for one in said] == [404, 404, 409]
    assert tags.SCHEMA not in tags_of(foreign) and tags.SCHEMA not in tags_of(gone)


@pytest.mark.parametrize(
    "values",
    [
        {"ownr": "jo"},
        {"git.commit": COMMIT},
        {"evidence.owner": "jo"},
        {"owner": ""},
        {"owner": "a\u2028b"},
        {"owner": "x" * 1001},
        {"owner": "https://jo:hunter2@example.org"},
        {"owner": 1},
        ["owner"],
    ],
    ids=repr,
)
def test_unfit_values_are_refused_whole_and_not_shown(writing, bare, tags_of, values):
    run_id = bare()
    body = {"values": {"team": "t", **values} if isinstance(values, dict) else values}
    answer = writing.post(f"/v1/runs/{run_id}/stamp", body)
    assert answer.status_code == 422
    assert "hunter2" not in answer.text
    assert "evidence.team" not in tags_of(run_id)


@pytest.mark.parametrize(
    ("error", "status"), [(StoreUnavailable("down"), 503), (StoreRefused("no"), 502)]
)
def test_a_store_that_is_away_or_refuses_is_said(service, error, status):
    store = service.app(
        capturing=type(service.evidence.capturing)(
            **{**vars(service.evidence.capturing), "store": Away(error)}
        ),
        write_back=True,
    )
    client = Client(store, service.token("boss", "admin"))
    assert client.get("/v1/runs/unstamped?run_id=x").status_code == status
    assert client.post("/v1/runs/x/stamp", {}).status_code == status


def test_a_question_looks_through_a_bounded_part_of_the_store(service, bare, maker, monkeypatch):
    for _ in range(13):
        maker.client.set_tag(bare(), tags.SCHEMA, "1")
    store = Listening(service.evidence.capturing.store)
    client = Client(service.on_store(store), service.token("r", "evidence:read"))
    asked = {"experiment": bare.experiment, "limit": 1}
    first = client.get("/v1/runs/unstamped", query_string=asked)
    assert first.json["items"] == [] and first.json["next"]
    rest = client.get(
        "/v1/runs/unstamped", query_string={**asked, "cursor": first.json["next"]}
    ).json
    assert rest == {"items": [], "next": None}
