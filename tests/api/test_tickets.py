"""Evidence by change ticket: what the runs name, and what approvals and waivers name."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote

import pytest

from tests.api.stores import Untouchable
from tests.conftest import instant
from tests.contract.checked import Client
from tests.world import GOVERNANCE


@pytest.fixture
def made(maker, admin):
    """A captured version of a model of its own, whose run names a ticket."""

    def make(ticket, **options):
        tags = GOVERNANCE | {"evidence.ticket": ticket}
        model = maker.new_name("changed")
        number = maker.version(model, maker.run(tags=tags, **options))
        return model, admin.capture(model=model, version=number).json["digest"]

    return make


def belonging(client, ticket, limit=50):
    found, cursor = [], ""
    while True:
        answer = client.get(f"/v1/tickets/{quote(ticket)}/bundles?limit={limit}{cursor}")
        assert answer.status_code == 200, answer.text
        assert answer.json["ticket"] == ticket
        found += answer.json["items"]
        if not answer.json["next"]:
            return found
        assert 'rel="next"' in answer.headers["Link"]
        cursor = f"&cursor={answer.json['next']}"


@pytest.fixture
def person(service, app):
    def client(name, *scopes):
        scopes = scopes or ("evidence:read", "approve", "policy")
        return Client(app, service.token(name, *scopes, roles=("risk",)))

    return client


@pytest.fixture
def ticket(maker):
    return maker.new_name("CHG")


def test_what_runs_approvals_and_waivers_name_belongs_to_it(admin, person, made, ticket):
    model, of_run = made(ticket)
    _, approved = made("CHG-other")
    _, waived = made("CHG-third")
    _, twice = made(ticket)
    told = {"role": "risk", "decision": "approved", "ticket": ticket}
    for digest in (approved, twice):
        answer = person("rita").post(f"/v1/bundles/{digest}/approvals", told)
        assert answer.status_code == 201
    waiver = {
        "environment": "lab",
        "rule": "tracked-run",
        "reason": "known",
        "ticket": ticket,
        "expires_at": instant(timedelta(days=1)),
    }
    assert person("omar").post(f"/v1/bundles/{waived}/waivers", waiver).status_code == 201
    found = {one["digest"]: one for one in belonging(admin, ticket)}
    assert {digest: one["named_by"] for digest, one in found.items()} == {
        of_run: ["governance"],
        approved: ["approval"],
        waived: ["waiver"],
        twice: ["governance", "approval"],
    }
    one = found[of_run]
    assert (one["model"], one["owner"], one["newest"]) == (model, "ana@example.org", True)
    assert one["lacks"] == ["cost_center", "monitoring", "approval"]
    assert found[approved]["approvals"][0]["state"] == "in-force"
    assert found[waived]["waivers"][0]["reason"] == "known"


def test_pages_are_the_same_list_the_newest_first(admin, made, ticket):
    digests = [made(ticket)[1] for _ in range(3)]
    assert [one["digest"] for one in belonging(admin, ticket)] == digests[::-1]
    assert belonging(admin, ticket, limit=1) == belonging(admin, ticket)


def test_verdicts_and_earlier_evidence(admin, made, ticket, maker):
    model, first = made(ticket)
    admin.get(f"/v1/models/{model}/versions/1/decision?environment=lab")
    maker.client.update_model_version(model, "1", description="better")
    second = admin.capture(model=model, version="1").json["digest"]
    found = {one["digest"]: one for one in belonging(admin, ticket)}
    assert found[first]["verdicts"] == {"lab": "passed"}
    assert (found[first]["newest"], found[second]["newest"]) == (False, True)


def test_it_needs_no_mlflow(service, tokens, made, ticket):
    _, digest = made(ticket)
    client = Client(service.on_store(Untouchable()), tokens.admin)
    assert [one["digest"] for one in belonging(client, ticket)] == [digest]


def test_a_foreign_token_and_an_unknown_ticket_get_nothing(client, tokens, admin, made, ticket):
    made(ticket)
    for token in (tokens.stranger, tokens.mine):
        assert belonging(client(token), ticket) == []
    assert belonging(admin, "CHG-unknown") == []


def test_what_was_erased_is_gone(admin, made, ticket):
    _, digest = made(ticket)
    admin.post(f"/v1/bundles/{digest}/erasure", {"reason": "asked to"})
    assert belonging(admin, ticket) == []


def test_tickets_of_statements_are_found_again_after_an_upgrade(
    service, admin, person, made, ticket
):
    from sqlalchemy import delete

    from mlflow_evidence_plugin.storage import tickets
    from mlflow_evidence_plugin.storage.listings import label
    from mlflow_evidence_plugin.storage.tables import labels

    _, digest = made("CHG-other")
    told = {"role": "risk", "decision": "approved", "ticket": ticket}
    person("rita").post(f"/v1/bundles/{digest}/approvals", told)
    database, store = service.evidence.capturing.database, service.settings.store_id
    named = [label(store, one, ticket) for one in tickets.SAID.values()]
    with database.writing() as connection:
        connection.execute(delete(labels).where(labels.c.label.in_(named)))
    assert belonging(admin, ticket) == []
    with database.writing() as connection:
        tickets.restore(connection)
    assert [one["digest"] for one in belonging(admin, ticket)] == [digest]


@pytest.mark.parametrize("query", ["limit=0", "cursor=x", "cursor=" + "A" * 21 + "*", "other=1"])
def test_slips(admin, query):
    assert admin.get(f"/v1/tickets/CHG1/bundles?{query}").status_code == 422


def test_only_what_is_the_callers_says_that_there_is_more(admin, app, maker, service):
    ticket = maker.new_name("CHG")
    tags = GOVERNANCE | {"evidence.ticket": ticket}
    for experiment in ("secret-lab", "credit"):
        run_id = maker.run(experiment=experiment, tags=tags)
        assert admin.capture(run_id=run_id).status_code == 201
    half = Client(app, service.token("half", experiments=("credit",), models=("credit",)))
    page = half.get(f"/v1/tickets/{ticket}/bundles?limit=1").json
    assert (len(page["items"]), page["next"]) == (1, None)


def test_a_ticket_may_be_an_address(admin, maker):
    ticket = f"https://jira.example.org/browse/{maker.new_name('A')}"
    run_id = maker.run(tags=GOVERNANCE | {"evidence.ticket": ticket})
    assert admin.capture(run_id=run_id).status_code == 201
    found = admin.get(f"/v1/tickets/{quote(ticket, safe='')}/bundles").json["items"]
    assert [one["run_id"] for one in found] == [run_id]
