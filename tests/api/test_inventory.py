"""The inventory: what lacks what, of the registry and the runs, to who may see it."""

from __future__ import annotations

import re
from copy import copy
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from html import unescape
from urllib.parse import urlencode

import pytest

from api.pages import inventory as pages
from mlflow_evidence_plugin.errors import StoreRefused, StoreUnavailable
from mlflow_evidence_plugin.policy import parse
from mlflow_evidence_plugin.service import inventory
from tests.api.stores import Away, Listening, Untouchable, silent
from tests.api.visitors import Visitor
from tests.contract.checked import Client
from tests.world import FILES, GOVERNANCE, PLANTED, SECRETS

POLICY = parse(b"""
version: 1
environments:
  prod:
    rules:
      - rule: approvals
        n: 2
        roles: [risk]
  lab:
    rules:
      - rule: tracked-run
""")
FULL = GOVERNANCE | {
    "evidence.team": "risk",
    "evidence.cost_center": "4711",
    "evidence.monitoring": "https://grafana.example.org/d/credit",
}


@pytest.fixture
def model(maker, admin):
    """A model of its own: version 1 captured, with everything; version 2 not, with nothing."""
    name = maker.new_name("listed")
    maker.version(name, maker.run(tags=FULL, files=FILES))
    maker.version(name, maker.run(tags={}, metrics={}))
    assert admin.capture(model=name, version="1").status_code == 201
    return name


def listed(client, **asked):
    """All lines, over all pages."""
    found = []
    while True:
        answer = client.get(f"/v1/inventory?{urlencode(asked)}")
        assert answer.status_code == 200, answer.text
        assert answer.json["problem"] is None
        found += answer.json["items"]
        if not answer.json["next"]:
            return {one["subject"]: one for one in found}
        assert f"cursor={answer.json['next']}" in answer.headers["Link"]
        asked["cursor"] = answer.json["next"]


def test_a_version_with_evidence_and_one_without(admin, model):
    found = listed(admin, model=model)
    one, two = (found[f"models/{model}/{number}"] for number in "12")
    assert list(found) == [two["subject"], one["subject"]]  # the newest first
    assert (one["owner"], one["team"], one["cost_center"]) == ("ana@example.org", "risk", "4711")
    assert (one["ticket"], one["experiment"], one["listed"]) == ("CHG-1042", "credit", True)
    assert (one["stale"], one["approvals"], one["lacks"]) == (None, 0, ["approval"])
    assert one["digest"].startswith("sha256:") and one["captured_at"].endswith("Z")
    assert one["artifact_bytes"] == sum(len(text) for text in FILES.values())
    assert one["duration_ms"] >= 0
    assert (two["digest"], two["captured_at"], two["artifact_bytes"]) == (None, None, None)
    lacking = ["evidence", "owner", "cost_center", "ticket", "rollback", "monitoring", "approval"]
    assert two["lacks"] == lacking


def test_runs_are_listed_too_and_those_without_metrics_say_so(admin, maker):
    maker.experiment("census")
    bare = maker.client.create_run(maker.experiments["census"], tags=FULL).info.run_id
    captured = maker.run(experiment="census", tags=FULL)
    admin.capture(run_id=captured)
    found = listed(admin, limit=200)
    assert found[f"runs/{bare}"]["lacks"] == ["evidence", "metrics"]
    assert found[f"runs/{captured}"]["lacks"] == []
    assert found[f"runs/{captured}"]["approvals"] is None
    versions = [name for name in found if name.startswith("models/")]
    assert list(found)[: len(versions)] == versions


@pytest.mark.parametrize("limit", [1, 3])
def test_pages_are_the_same_list(admin, model, limit):
    assert listed(admin, limit=limit, model=model) == listed(admin, model=model)


def test_pages_go_on_from_the_versions_into_the_runs_of_each_experiment(admin, captured):
    assert listed(admin, limit=7) == listed(admin, limit=200)


@pytest.mark.parametrize(
    ("asked", "numbers"),
    [
        ({"lacks": "evidence"}, ["2"]),
        ({"lacks": "owner"}, ["2"]),
        ({"lacks": "approval"}, ["2", "1"]),
        ({"lacks": "fresh"}, []),
        ({"owner": "ana@example.org"}, ["1"]),
        ({"cost_center": "4711"}, ["1"]),
        ({"cost_center": "4712"}, []),
    ],
)
def test_filters(admin, model, asked, numbers):
    found = listed(admin, model=model, **asked)
    assert list(found) == [f"models/{model}/{number}" for number in numbers]


def test_a_version_made_anew_has_no_evidence(admin, model, maker):
    maker.client.delete_registered_model(model)
    maker.version(model, maker.run())
    (one,) = listed(admin, model=model).values()
    assert (one["digest"], one["lacks"][0]) == (None, "evidence")


def test_what_was_changed_in_the_registry_since_is_stale(admin, model, maker):
    maker.client.update_model_version(model, "1", description="better")
    one = listed(admin, model=model)[f"models/{model}/1"]
    assert (one["stale"], one["lacks"]) == ("changed", ["approval", "fresh"])
    admin.capture(model=model, version="1")
    assert listed(admin, model=model)[f"models/{model}/1"]["stale"] is None


def test_a_run_that_went_on_since_is_stale(admin, maker):
    run_id = maker.run(experiment="goes-on", tags=FULL, end=False)
    admin.capture(run_id=run_id)
    assert listed(admin, limit=200)[f"runs/{run_id}"]["stale"] is None
    maker.client.set_terminated(run_id)
    assert listed(admin, limit=200)[f"runs/{run_id}"]["stale"] == "changed"


def test_evidence_grows_old(service, tokens, model):
    later = datetime.now(timezone.utc) + timedelta(days=10)
    client = Client(service.app(now=lambda: later, capturing=at(service, later)), tokens.admin)
    for days, stale in (("9", "old"), ("11", None)):
        assert listed(client, model=model, days=days)[f"models/{model}/1"]["stale"] == stale


def at(service, moment):
    return replace(service.evidence.capturing, now=lambda: moment)


def test_approvals_count_and_in_an_environment_as_its_policy_asks(service, tokens, model):
    client = Client(service.app(policy=POLICY), tokens.admin)
    name = f"models/{model}/1"
    digest = listed(client, model=model)[name]["digest"]

    def approve(who):
        token = service.token(who, "evidence:read", "approve", roles=("risk",))
        told = {"role": "risk", "decision": "approved"}
        answer = Client(client.app, token).post(f"/v1/bundles/{digest}/approvals", told)
        assert answer.status_code == 201
        return f"/v1/bundles/{digest}/approvals/{answer.json['statement']}/revocation", token

    def lacking(**asked):
        line = listed(client, model=model, **asked)[name]
        return line["approvals"], "approval" in line["lacks"]

    assert (lacking(), lacking(environment="prod")) == ((0, True), (0, True))
    assert lacking(environment="lab") == (0, False)  # it asks for none
    path, token = approve("rita")
    assert (lacking(), lacking(environment="prod")) == ((1, False), (1, True))
    approve("omar")
    assert (lacking(), lacking(environment="prod")) == ((2, False), (2, False))
    Client(client.app, token).post(path, {})
    assert lacking(environment="prod") == (1, True)


def test_verdicts_by_environment(admin, model):
    admin.get(f"/v1/models/{model}/versions/1/decision?environment=lab")
    assert listed(admin, model=model)[f"models/{model}/1"]["verdicts"] == {"lab": "passed"}


def test_a_secret_among_the_tags_of_an_uncaptured_run_is_masked(admin, maker):
    name = maker.new_name("leaky")
    tags = FULL | {"evidence.monitoring": PLANTED["url"], "evidence.owner": PLANTED["url"]}
    maker.version(name, maker.run(tags=tags))
    answer = admin.get(f"/v1/inventory?model={name}")
    assert answer.json["items"][0]["owner"].count("[masked:") == 1
    assert not any(secret in answer.text for secret in SECRETS)


@pytest.mark.parametrize("by", ["owner", "cost_center"])
def test_groups_add_up_and_count_a_run_once(admin, maker, by):
    name, owner, centre = maker.new_name("sums"), maker.new_name("o"), maker.new_name("c")
    tags = FULL | {"evidence.owner": owner, "evidence.cost_center": centre}
    run_id = maker.run(experiment=name, tags=tags, files={"a": "x" * 100})
    numbers = [maker.version(name, run_id) for _ in range(2)]
    for number in numbers:
        admin.capture(model=name, version=number)
    admin.capture(run_id=run_id)
    maker.version(name, maker.run(experiment=name, tags={}))
    asked = {"by": by, "owner": owner}
    answer = admin.get(f"/v1/inventory/groups?{urlencode(asked)}").json
    (group,) = answer["items"]
    assert (group["group"], group["subjects"]) == ({"owner": owner, "cost_center": centre}[by], 3)
    assert (group["artifact_bytes"], group["unmeasured"]) == (100, 0)
    assert group["lacks"] == {"approval": 2}
    mine = admin.get(f"/v1/inventory/groups?by={by}&model={name}").json
    assert [one["group"] for one in mine["items"]][-1] is None  # nobody's come last
    assert mine["items"][-1]["unmeasured"] == 1
    assert (mine["truncated"], mine["source"], mine["problem"]) == (False, "store", None)
    cut = admin.get(f"/v1/inventory/groups?by={by}&model={name}&max=1").json
    assert (cut["truncated"], sum(one["subjects"] for one in cut["items"])) == (True, 1)


def test_a_store_that_is_away_is_said_and_what_was_captured_is_told(
    service, tokens, model, monkeypatch
):
    client = Client(service.on_store(silent(service, monkeypatch)), tokens.admin)
    answer = client.get(f"/v1/inventory?model={model}")
    assert (answer.status_code, answer.json["source"]) == (200, "evidence")
    assert answer.json["problem"]["code"] == "store-unavailable"
    (one,) = answer.json["items"]
    assert (one["subject"], one["listed"], one["owner"]) == (
        f"models/{model}/1",
        None,
        "ana@example.org",
    )
    groups = client.get(f"/v1/inventory/groups?by=owner&model={model}").json
    assert (groups["problem"]["code"], len(groups["items"])) == ("store-unavailable", 1)


def test_a_store_that_refuses_is_said_too(service, tokens, model):
    store = copy(service.evidence.capturing.store)
    store.client = Away(StoreRefused("refused", "ask"))
    answer = Client(service.on_store(store), tokens.admin).get(f"/v1/inventory?model={model}")
    assert answer.json["problem"] == {"code": "store-refused", "detail": "refused"}


def test_a_store_that_goes_away_between_pages_is_an_error(
    service, admin, tokens, model, monkeypatch
):
    following = admin.get("/v1/inventory?limit=1").json["next"]
    client = Client(service.on_store(silent(service, monkeypatch)), tokens.admin)
    assert client.get(f"/v1/inventory?limit=1&cursor={following}").status_code == 503


def test_what_was_captured_is_listed_without_mlflow_also_when_it_is_gone(
    service, admin, tokens, maker
):
    gone = maker.run(experiment="gone")
    kept = maker.run(experiment="gone")
    for run_id in (gone, kept):
        admin.capture(run_id=run_id)
    maker.client.delete_run(gone)
    maker.client.set_tag(kept, "note", "b")
    admin.capture(run_id=kept)
    assert f"runs/{gone}" not in listed(admin, limit=200)
    client = Client(service.on_store(Untouchable()), tokens.admin)
    found = listed(client, source="evidence", limit=3)
    assert found == listed(client, source="evidence", limit=200)
    assert list(found)[:2] == [f"runs/{kept}", f"runs/{gone}"]  # each once, as seen last
    newest = admin.get(f"/v1/runs/{kept}/evidence").json["digest"]
    assert found[f"runs/{kept}"]["digest"] == newest


def test_who_may_see_little_is_shown_that_and_mlflow_is_not_asked_for_more(
    service, app, tokens, model, captured
):
    mine = Client(app, service.token("some", experiments=("credit",), models=(model,)))
    everything = listed(mine, limit=200)
    assert f"models/{model}/1" in everything
    assert {one["model"] for one in everything.values()} == {model, None}
    assert {one["experiment"] for one in everything.values()} == {"credit"}
    kept = listed(mine, source="evidence")
    assert {one["model"] for one in kept.values()} == {model, None}
    stranger = Client(service.on_store(Untouchable()), tokens.stranger)
    assert stranger.get(f"/v1/inventory?model={model}").status_code == 404


def test_a_version_whose_run_is_foreign_is_not_shown(service, app, maker):
    name = maker.new_name("borrowed")
    maker.version(name, maker.run(experiment="secret-lab"))
    mine = Client(app, service.token("half", experiments=("credit*",), models=(name,)))
    assert listed(mine, model=name) == {}


def test_a_page_asks_a_bounded_number_of_questions(service, tokens, admin, model):
    store = Listening(service.evidence.capturing.store)
    Client(service.on_store(store), tokens.admin).get(f"/v1/inventory?model={model}")
    assert store.asked.count("client") <= 1 + 2 * 2  # the list; of each version its run


def test_groups_of_a_store_that_takes_long_are_cut_off(admin, model, monkeypatch):
    asked = "/v1/inventory/groups?by=owner&owner=nobody"
    assert admin.get(asked).json["truncated"] is False
    monkeypatch.setattr(inventory, "PATIENCE", 0.0)
    monkeypatch.setattr(inventory, "LOOKED", 1)
    found = admin.get(asked).json
    assert (found["items"], found["truncated"]) == ([], True)


def test_erased_evidence_is_none(admin, model):
    digest = listed(admin, model=model)[f"models/{model}/1"]["digest"]
    admin.post(f"/v1/bundles/{digest}/erasure", {"reason": "asked to"})
    one = listed(admin, model=model)[f"models/{model}/1"]
    assert (one["digest"], one["lacks"][0]) == (None, "evidence")
    assert listed(admin, model=model, source="evidence") == {}


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("lacks=luck", 422),
        ("owner=", 422),
        ("limit=0", 422),
        ("limit=201", 422),
        ("days=-1", 422),
        ("source=dreams", 422),
        ("cursor=x", 422),
        ("cursor=WyJhIl0", 422),
        ("cursor=" + "A" * 300, 422),
        ("environment=nowhere", 404),
        ("model=none%00", 400),
        ("other=1", 422),
    ],
)
def test_slips(admin, query, status):
    assert admin.get(f"/v1/inventory?{query}").status_code == status


def test_a_cursor_belongs_to_its_question(admin, model):
    following = admin.get("/v1/inventory?limit=1").json["next"]
    answer = admin.get(f"/v1/inventory?limit=1&lacks=owner&cursor={following}")
    assert (answer.status_code, answer.json["code"]) == (422, "bad-input")


def test_a_model_that_is_not_there_has_no_versions(admin):
    assert listed(admin, model="nobody's") == {}
    assert admin.get("/v1/inventory?model=a%27b%22c").status_code == 422


@pytest.fixture
def visitor(service, tokens):
    return Visitor(service.app(), tokens.admin)


def test_the_page_lists_what_lacks_what_without_a_script(visitor, model):
    text = visitor.get(f"/inventory?model={model}").text
    assert f">models/{model}/1</a>" in text and f">models/{model}/2</span>" in text
    assert "lacks evidence, owner, cost centre" in text and "<script" not in text
    only = visitor.get(f"/inventory?model={model}&lacks=evidence").text
    assert f"models/{model}/2" in only and f"models/{model}/1" not in only
    assert 'value="evidence" selected' in only


def test_the_page_tells_the_verdict_of_each_environment(visitor, admin, model):
    path = f"/v1/models/{model}/versions/1/decision"
    assert admin.get(f"{path}?environment=lab").json["allowed"]
    assert not admin.get(f"{path}?environment=prod").json["allowed"]
    text = visitor.get(f"/inventory?model={model}").text
    assert re.findall("</span>(lab|prod): ([a-z]+)</span>", text) == [
        ("lab", "allowed"),
        ("prod", "blocked"),
    ]


def test_the_page_looks_on_until_it_is_full(visitor, admin, model, monkeypatch):
    first = admin.get("/v1/inventory?limit=200").json["items"]
    assert all(one["model"] for one in first) and len(first) < 200
    text = visitor.get("/inventory?limit=200").text
    assert ">runs/" in text and text.count("<li><") > len(first)
    monkeypatch.setattr(pages, "PATIENCE", 0.0)
    short = visitor.get("/inventory?limit=200").text
    assert ">runs/" not in short and 'rel="next">Look on' in short


def test_the_page_keeps_what_it_found_before_the_store_went_away(visitor, model, monkeypatch):
    asked = inventory.Inventory.page

    def away(self, wanted, caller):
        if wanted.cursor:
            raise StoreUnavailable("the tracking store is away", "later")
        return asked(self, wanted, caller)

    monkeypatch.setattr(inventory.Inventory, "page", away)
    answer = visitor.get("/inventory?limit=200")
    assert answer.status_code == 200 and f"models/{model}/1" in answer.text
    assert 'rel="next"' in answer.text


def test_the_page_goes_on_and_adds_up(visitor, model):
    first = visitor.get(f"/inventory?model={model}&limit=1").text
    (following,) = re.findall(r'<a href="(\?[^"]+)" rel="next"', first)
    second = visitor.get("/inventory" + unescape(following)).text
    assert f"models/{model}/2" in first and f"models/{model}/1" in second
    assert 'rel="next"' not in second
    text = visitor.get(f"/inventory?model={model}&by=cost_center").text
    assert '<th scope="row">4711</th>' in text and "(nobody)" in text and "1 not measured" in text


def test_the_page_is_closed_and_says_slips_and_a_store_that_is_away(
    service, tokens, visitor, model, monkeypatch
):
    assert Visitor(service.app()).get("/inventory").status_code in (302, 303, 401)
    wrong = visitor.get("/inventory?lacks=luck")
    assert (wrong.status_code, 'role="alert"' in wrong.text) == (422, True)
    assert visitor.get("/inventory?cursor=x").status_code == 422
    away = Visitor(service.on_store(silent(service, monkeypatch)), tokens.admin)
    text = away.get(f"/inventory?model={model}").text
    assert "could not be asked" in text and f"models/{model}/1" in text


def test_the_page_shows_strangers_names_as_text(visitor, maker):
    name = maker.new_name("x<b>")
    tags = GOVERNANCE | {"evidence.owner": "<script>alert(1)</script>"}
    maker.version(name, maker.run(tags=tags))
    text = visitor.get(f"/inventory?model={name.replace('<', '%3C').replace('>', '%3E')}").text
    assert "&lt;script&gt;" in text and "<script" not in text and "<b>" not in text


def test_what_came_from_a_purged_run_of_others_stays_theirs(
    admin, app, maker, service, store_folder
):
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    model, bare = maker.new_name("purged"), maker.new_name("bare")
    runs = [maker.run(experiment="secret-lab") for _ in range(2)]
    versions = [maker.version(*one) for one in zip((model, bare), runs, strict=True)]
    assert admin.capture(model=model, version=versions[0]).status_code == 201
    mine = (*("credit",), model, bare)
    half = Client(app, service.token("half", experiments=("credit",), models=mine))
    full = Client(app, service.token("full", experiments=("secret-lab",), models=mine))
    every = Client(app, service.token("every", models=mine))
    store = SqlAlchemyStore(f"sqlite:///{store_folder / 'mlflow.db'}", str(store_folder / "gone"))
    for run_id in runs:
        store.delete_run(run_id)
        store._hard_delete_run(run_id)  # as `mlflow gc` does
    store.engine.dispose()
    assert listed(half, model=model) == listed(half, model=bare) == {}
    assert "evidence" not in listed(full, model=model)[f"models/{model}/1"]["lacks"]
    assert listed(full, model=bare) == {}
    assert "evidence" in listed(every, model=bare)[f"models/{bare}/1"]["lacks"]
