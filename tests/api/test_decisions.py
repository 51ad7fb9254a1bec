"""Decisions: one document that poll, enforce and string-matching consumers can use."""

from __future__ import annotations

import json

import pytest

from mlflow_evidence_plugin.errors import StoreRefused, StoreUnavailable
from mlflow_evidence_plugin.service.deciding import SETTLED
from tests.api.stores import Away, Untouchable
from tests.api.visitors import Visitor
from tests.contract.checked import Client

KEYS = [
    *("allowed", "status", "result", "state", "reasons", "warnings", "store", "subject"),
    *("resolved_at", "environment", "record", "release", "decision", "policy", "evaluated_at"),
    *("expires_at", "details_url", "baselines", "waived"),
]
"""In this order: some consumers look for a literal text."""
INSISTING = {"Cache-Control": "no-cache"}
"""Who sends it wants everything looked at anew."""
OTHER = "sha256:" + "0" * 64
AWAY = StoreUnavailable("the tracking store is away", "try again")


@pytest.fixture
def ask(admin, captured):
    def asked(version, query="", client=admin, **options):
        path = f"/v1/models/credit/versions/{version}/decision?environment=prod{query}"
        return client.get(path, **options)

    return asked


def codes(document):
    return [reason["code"] for reason in document["reasons"]]


def test_a_good_version_is_allowed(ask, world, captured, mlflow_url):
    answer = ask(world.v_good)
    said = answer.json
    assert (answer.status_code, said["allowed"], said["status"]) == (200, True, "passed")
    assert (said["result"], said["state"], said["reasons"]) == ("succeeded", "approved", [])
    assert codes({"reasons": said["warnings"]}) == ["required-tags"]
    assert (said["store"], said["subject"]) == (mlflow_url, f"models/credit/{world.v_good}")
    assert said["record"] == captured.good
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_document_is_compact_and_its_keys_are_always_in_the_same_order(ask, world):
    passed, failed, pending = (
        ask(version).text for version in (world.v_good, world.v_regressed, world.v_uncaptured)
    )
    for text in (passed, failed, pending):
        assert list(json.loads(text))[: len(KEYS)] == KEYS
        assert text == json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False)
    assert passed.startswith('{"allowed":true,"status":"passed","result":"succeeded",')
    assert failed.startswith('{"allowed":false,"status":"failed","result":"failed",')
    assert pending.startswith('{"allowed":false,"status":"pending","result":"failed",')


def test_a_regressed_version_is_denied_and_told_why_and_how_to_mend_it(ask, world):
    answer = ask(world.v_regressed)
    assert (answer.status_code, answer.json["allowed"]) == (200, False)
    (reason,) = answer.json["reasons"]
    assert reason["code"] == "no-regression"
    assert "0.9" in reason["found"]
    assert reason["mend"]


def test_an_enforced_denial_is_a_problem_that_holds_the_document(ask, world):
    answer = ask(world.v_regressed, "&enforce=true")
    assert (answer.status_code, answer.mimetype) == (409, "application/problem+json")
    assert answer.json["code"] == "denied"
    assert answer.json["document"] == ask(world.v_regressed).json | {
        "resolved_at": answer.json["document"]["resolved_at"]
    }


def test_an_enforced_pass_is_the_document(ask, world):
    answer = ask(world.v_good, "&enforce=true")
    assert (answer.status_code, answer.json["allowed"]) == (200, True)


def test_without_evidence_a_version_is_pending_and_not_allowed(ask, world):
    answer = ask(world.v_uncaptured)
    said = answer.json
    assert (answer.status_code, said["allowed"], said["status"]) == (200, False, "pending")
    assert codes(said) == ["no-evidence"]
    assert (said["record"], said["details_url"]) == (None, None)
    assert ask(world.v_uncaptured, "&enforce=true").status_code == 409


def test_where_the_evidence_is_can_be_followed_in_a_browser(ask, app, tokens, world, captured):
    path = ask(world.v_good).json["details_url"].removeprefix("http://localhost")
    assert path == f"/bundles/{captured.good}"
    stranger, reader = Visitor(app), Visitor(app, tokens.reader)
    assert stranger.get(path).headers["Location"].startswith("/sign-in")
    assert f"models/credit/{world.v_good}" in reader.get(path).text


@pytest.mark.parametrize("named", ["credit/versions/999", "credit/versions/v2", "nope/versions/1"])
def test_what_the_registry_does_not_have_is_denied_and_not_awaited(admin, named):
    said = admin.get(f"/v1/models/{named}/decision?environment=prod").json
    assert (said["status"], codes(said)) == ("failed", ["no-such-version"])
    assert "no version" in said["reasons"][0]["found"]


def test_where_the_registry_cannot_say_evidence_is_awaited(service, tokens):
    away = Client(service.on_store(Away(AWAY)), tokens.reader)
    said = away.get("/v1/models/credit/versions/999/decision?environment=prod").json
    assert (said["status"], codes(said)) == ("pending", ["no-evidence"])


def test_a_decision_is_kept_and_given_again(ask, world):
    first, again = ask(world.v_regressed).json, ask(world.v_regressed).json
    assert (first["decision"], first["evaluated_at"]) == (again["decision"], again["evaluated_at"])


@pytest.mark.parametrize("pinned", ["digest", "policy"])
def test_what_the_caller_insists_on_must_be_in_force(ask, world, pinned):
    have = ask(world.v_good).json
    right = have["record" if pinned == "digest" else "policy"]
    assert ask(world.v_good, f"&{pinned}={right}").json["allowed"] is True
    wrong = ask(world.v_good, f"&{pinned}={OTHER}").json
    assert (wrong["allowed"], wrong["status"]) == (False, "failed")
    assert codes(wrong) == [f"{pinned}-mismatch"]
    assert wrong["decision"] != have["decision"]
    assert ask(world.v_good, f"&{pinned}={OTHER}&enforce=1").status_code == 409
    assert ask(world.v_good).json["allowed"] is True


def test_new_evidence_is_judged_anew(admin, maker):
    renewed = maker.new_name("renewed")
    run_id = maker.run()
    path = f"/v1/models/{renewed}/versions/{maker.version(renewed, run_id)}"
    admin.capture(model=renewed, version="1")
    before = admin.get(f"{path}/decision?environment=lab").json
    maker.client.set_tag(run_id, "note", "changed")
    admin.capture(model=renewed, version="1")
    after = admin.get(f"{path}/decision?environment=lab").json
    assert before["record"] != after["record"]
    assert admin.get(f"{path}/evidence").json["digest"] == after["record"]


def test_a_baseline_that_moves_is_judged_anew(service, tokens, admin, maker):
    worse = maker.version("rivals", maker.run(log_loss=0.5))
    better = maker.version("rivals", maker.run(log_loss=0.2))
    for version in (worse, better):
        admin.capture(model="rivals", version=version)
    path = f"/v1/models/rivals/versions/{worse}/decision?environment=prod"
    maker.client.set_registered_model_alias("rivals", "production", worse)
    assert admin.get(path).json["allowed"] is True
    maker.client.set_registered_model_alias("rivals", "production", better)
    assert admin.get(path).json["allowed"] is True, "what stands is not looked at anew at once"
    assert codes(admin.get(path, headers=INSISTING).json) == ["no-regression"]
    assert codes(admin.get(path).json) == ["no-regression"]
    maker.client.set_registered_model_alias("rivals", "production", worse)
    soon = service.evidence.now() + SETTLED
    later = Client(service.app(now=lambda: soon), tokens.admin)
    assert later.get(path).json["allowed"] is True


def test_what_stands_is_answered_without_the_store(service, tokens, ask, world):
    assert ask(world.v_good).json["allowed"] is True
    client = Client(service.on_store(Untouchable()), tokens.reader)
    assert ask(world.v_good, client=client).json["allowed"] is True


def test_an_alias_is_resolved_when_it_is_asked(admin, world, captured):
    found = admin.get("/v1/models/credit/aliases/production/decision?environment=prod").json
    assert (found["subject"], found["allowed"]) == (f"models/credit/{world.v_good}", True)
    assert found["resolved_at"].endswith("Z")
    worse = admin.get("/v1/models/credit/aliases/candidate/decision?environment=prod").json
    assert (worse["subject"], worse["allowed"]) == (f"models/credit/{world.v_regressed}", False)


@pytest.mark.parametrize("error", [AWAY, StoreRefused("no entry")], ids=["away", "refused"])
def test_by_alias_nothing_is_allowed_while_the_store_does_not_answer(
    service, tokens, captured, error
):
    client = Client(service.on_store(Away(error)), tokens.reader)
    path = "/v1/models/credit/aliases/production/decision?environment=prod"
    polled, enforced = client.get(path), client.get(path + "&enforce=true")
    assert (polled.status_code, polled.json["allowed"]) == (200, False)
    assert codes(polled.json) == ["alias-unresolved"]
    assert list(polled.json)[: len(KEYS)] == KEYS
    assert enforced.status_code == 409


def test_by_version_a_baseline_that_cannot_be_resolved_denies(service, tokens, ask, world):
    client = Client(service.on_store(Away(AWAY)), tokens.reader)
    assert ask(world.v_good).json["allowed"] is True
    away = ask(world.v_good, client=client, headers=INSISTING).json
    assert (away["allowed"], codes(away)) == (False, ["no-regression"])
    assert "the baseline is unknown" in away["reasons"][0]["found"]
    assert ask(world.v_good, headers=INSISTING).json["allowed"] is True


def test_a_kept_pass_without_a_baseline_does_not_stand_in_for_an_unknown_one(
    service, tokens, admin, captured, world
):
    """`first` allows a release while nobody holds the alias; away, nobody can tell."""
    path = f"/v1/models/credit/versions/{world.v_good}/decision?environment=first"
    assert admin.get(path).json["allowed"] is True
    client = Client(service.on_store(Away(AWAY)), tokens.reader)
    away = client.get(path, headers=INSISTING)
    assert away.json["allowed"] is False


def test_a_denial_for_an_unknown_baseline_does_not_outlast_the_stores_absence(
    service, tokens, admin, captured, world
):
    path = f"/v1/models/credit/versions/{world.v_regressed}/decision?environment=first"
    client = Client(service.on_store(Away(AWAY)), tokens.reader)
    away = client.get(path, headers=INSISTING)
    assert away.json["allowed"] is False
    assert admin.get(path, headers=INSISTING).json["allowed"] is True


def test_without_baselines_a_version_is_decided_without_the_store(service, tokens, world, captured):
    client = Client(service.on_store(Untouchable()), tokens.reader)
    path = f"/v1/models/credit/versions/{world.v_good}/decision?environment=lab"
    assert client.get(path).json["allowed"] is True


def test_a_version_without_a_run_is_denied(ask, admin, world):
    admin.capture(model="credit", version=world.v_no_run)
    assert "tracked-run" in codes(ask(world.v_no_run).json)


def test_a_pass_in_another_store_is_told_apart_by_its_store(ask, world, mlflow_url):
    assert ask(world.v_good).json["store"] == mlflow_url


@pytest.mark.parametrize("query", ["?environment=moon", ""], ids=["unknown", "not-named"])
@pytest.mark.parametrize("by", ["versions/1", "aliases/production"])
def test_an_unknown_environment_is_not_found_and_the_known_ones_are_named(
    admin, captured, by, query
):
    answer = admin.get(f"/v1/models/credit/{by}/decision{query}")
    assert answer.status_code == 404
    assert "prod" in answer.json["detail"]


@pytest.mark.parametrize("by", ["versions/1", "aliases/production"])
def test_a_foreign_model_is_not_found_and_the_store_is_not_asked(service, tokens, by):
    client = Client(service.on_store(Untouchable()), tokens.stranger)
    answer = client.get(f"/v1/models/credit/{by}/decision?environment=prod")
    assert (answer.status_code, answer.json["code"]) == (404, "not-found")


def test_an_unknown_alias_or_model_is_not_found(admin, world):
    for path in ("credit/aliases/nobody", "nobody/aliases/production"):
        answer = admin.get(f"/v1/models/{path}/decision?environment=prod")
        assert answer.status_code == 404


@pytest.mark.parametrize(
    "query",
    ["enforce=maybe", "digest=abc", "policy=sha256:xyz", "environmnet=prod", "environment="],
)
def test_a_question_that_is_not_as_described_is_refused(admin, query):
    answer = admin.get(f"/v1/models/credit/versions/1/decision?{query}")
    assert (answer.status_code, answer.json["code"]) == (422, "bad-input")
    assert query.partition("=")[0] in answer.json["detail"]


def test_without_a_policy_nothing_is_allowed(service, tokens, captured, world):
    client = Client(service.app(policy=None), tokens.reader)
    answer = client.get(f"/v1/models/credit/versions/{world.v_good}/decision")
    assert answer.status_code == 404
    assert "EVIDENCE_SERVICE_POLICY_FILE" in answer.json["mend"]


def test_an_expired_decision_is_made_anew(service, tokens, ask, world):
    from datetime import timedelta

    first = ask(world.v_good).json
    later = service.evidence.now() + timedelta(hours=25)
    client = Client(service.app(now=lambda: later), tokens.admin)
    again = ask(world.v_good, client=client).json
    assert again["evaluated_at"] > first["expires_at"]
    assert again["decision"] != first["decision"]


def test_a_changed_policy_decides_anew(service, tokens, ask, world):
    from mlflow_evidence_plugin.policy import parse
    from tests.world import POLICY

    stricter = parse(POLICY.replace("min: 0.9", "min: 0.99").encode())
    client = Client(service.app(policy=stricter), tokens.reader)
    assert ask(world.v_good).json["allowed"] is True
    assert codes(ask(world.v_good, client=client).json) == ["metric-threshold"]
    assert ask(world.v_good).json["policy"] != stricter.digest


def test_a_version_made_again_under_the_same_number_is_another_one(admin, maker):
    """A model that is deleted counts its versions from 1 again; old evidence is not of the new."""
    reborn = maker.new_name("reborn")
    for auc in (0.99, 0.10):
        version = maker.version(reborn, maker.run(auc=auc))
        maker.client.set_registered_model_alias(reborn, "cand", version)
        path = f"/v1/models/{reborn}/aliases/cand"
        if auc == 0.99:
            wait = {"Prefer": "wait=30"}
            admin.post("/v1/captures", json={"model": reborn, "alias": "cand"}, headers=wait)
            assert admin.get(f"{path}/decision?environment=lab").json["allowed"] is True
            maker.client.delete_registered_model(reborn)
    denied = admin.get(f"{path}/decision?environment=lab").json
    assert (denied["allowed"], codes(denied)) == (False, ["another-version"])
    assert admin.get(f"{path}/evidence").status_code == 404


def test_a_version_whose_files_lie_where_nobody_may_look_is_denied(admin, maker):
    elsewhere = maker.new_name("elsewhere")
    run_id = maker.run()
    maker.client.create_registered_model(elsewhere)
    version = maker.client.create_model_version(elsewhere, "s3://other/x", run_id).version
    wait = {"Prefer": "wait=30"}
    done = admin.post(
        "/v1/captures", json={"model": elsewhere, "version": str(version)}, headers=wait
    )
    record = admin.get(done.json["bundle"]).json["record"]
    assert [gap["code"] for gap in record["gaps"]] == ["location-not-allowed"]
    denied = admin.get(f"/v1/models/{elsewhere}/versions/{version}/decision?environment=lab").json
    assert codes(denied) == ["tracked-run"]


def test_a_parameter_that_stands_twice_is_refused(ask, world):
    answer = ask(world.v_regressed, "&enforce=false&enforce=true")
    assert answer.status_code == 400
    assert "twice" in answer.json["detail"]


def test_evidence_that_was_changed_in_the_database_is_judged_by_nobody(admin, maker, evidence):
    from mlflow_evidence_plugin.storage.tables import records

    changed = maker.new_name("changed")
    maker.version(changed, maker.run(auc=0.1))
    digest = admin.capture(model=changed, version="1").json["digest"]
    with evidence.capturing.database.writing() as connection:
        body = connection.execute(records.select().where(records.c.digest == digest)).one().body
        better = body.replace(b'"0.1"', b'"0.9"')
        assert better != body
        here = records.update().where(records.c.digest == digest)
        connection.execute(here.values(body=better))
    refused = admin.get(f"/v1/models/{changed}/versions/1/decision?environment=lab")
    assert (refused.status_code, refused.json["code"]) == (500, "bad-record")
    with evidence.capturing.database.writing() as connection:
        connection.execute(here.values(body=body))  # other tests have the same experiment


def test_a_link_begins_with_what_the_operator_says_and_not_with_the_request(
    service, tokens, ask, world
):
    app = service.app()
    forged = {"Host": "evil.example"}
    client = Client(app, tokens.reader)
    assert ask(world.v_good, client=client).json["details_url"].startswith("http://localhost/")
    app.config["PUBLIC_URL"] = "https://evidence.example.org/mlops"
    told = ask(world.v_good, client=client, headers=forged).json
    there = f"https://evidence.example.org/mlops/bundles/{told['record']}"
    assert told["details_url"] == there
