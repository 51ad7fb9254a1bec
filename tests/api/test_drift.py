"""Drift: each kind of change since the signature is found, and what is unknown is said so."""

from __future__ import annotations

from copy import copy

import pytest

from mlflow_evidence_plugin.errors import StoreRefused, StoreUnavailable
from mlflow_evidence_plugin.policy import parse
from tests.api.stores import Away, Untouchable, silent
from tests.contract.checked import Client
from tests.world import GOVERNANCE, PLANTED, SECRETS, log_input

AWAY = StoreUnavailable("run could not be read", "see that it runs")


@pytest.fixture
def made(maker, admin):
    """A captured run: its id, and the digest of its evidence."""

    def make(**options):
        run_id = maker.run(**options)
        return run_id, admin.capture(run_id=run_id).json["digest"]

    return make


@pytest.fixture
def versioned(maker, admin):
    """A captured version of a model of its own."""
    model = maker.new_name("moves")
    run_id = maker.run(files={"model/MLmodel": "x\n", "model/weights.bin": "abc"})
    number = maker.version(model, run_id)
    return model, number, run_id, admin.capture(model=model, version=number).json["digest"]


def drift(client, digest, **asked):
    answer = client.get(f"/v1/bundles/{digest}/drift", query_string=asked)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.json


def changes(found):
    return {one["what"]: (one["kind"], one["was"], one["is"]) for one in found["findings"]}


@pytest.mark.parametrize("artifacts", ["false", "true"])
def test_what_did_not_change_has_not_drifted(admin, made, versioned, artifacts):
    for digest in (made()[1], versioned[3]):
        found = drift(admin, digest, artifacts=artifacts)
        assert (found["drifted"], found["findings"], found["unknown"]) == (False, [], [])
        assert found["files_by"] == {"false": "size", "true": "digest"}[artifacts]
        assert (found["digest"], found["resolved_at"][-1]) == (digest, "Z")


def test_looking_keeps_nothing(admin, made, service, maker):
    run_id, digest = made()
    maker.client.set_tag(run_id, "note", "b")
    before = service.counts()
    assert drift(admin, digest, artifacts="true")["drifted"]
    assert service.counts() == before


def test_tags_params_metrics_and_the_description(admin, made, maker):
    run_id, digest = made(tags={**GOVERNANCE, "note": "a", "gone": "x"})
    client = maker.client
    client.set_tag(run_id, "note", "b")
    client.set_tag(run_id, "mlflow.note.content", "another story")
    client.set_tag(run_id, "evidence.owner", "eve@example.org")
    client.delete_tag(run_id, "gone")
    client.log_param(run_id, "late", "1")
    client.log_metric(run_id, "auc", 0.99, step=7)
    log_input(client, run_id)
    found = drift(admin, digest)
    assert found["drifted"] is True
    assert changes(found) == {
        "tags/note": ("changed", "a", "b"),
        "tags/gone": ("removed", "x", None),
        "tags/mlflow.note.content": ("added", None, "another story"),
        "governance/owner": ("changed", "ana@example.org", "eve@example.org"),
        "parameters/late": ("added", None, "1"),
        "metrics/auc": ("changed", "0.95", "0.99"),
        "inputs/applications@0d1e2f3a": ("added", None, changes_of_input(found)),
    }


def changes_of_input(found):
    return next(one["is"] for one in found["findings"] if one["what"].startswith("inputs/"))


def test_the_status_and_the_first_tag_of_a_run_without_any(admin, made, maker):
    run_id, digest = made(end=False, metrics={}, tags={})
    maker.client.set_terminated(run_id, "FAILED")
    found = changes(drift(admin, digest))
    assert found["run/status"] == ("changed", "RUNNING", "FAILED")
    assert found["run/ended"][:2] == ("added", None)
    assert set(found) == {"run/status", "run/ended"}


def test_a_deleted_run_and_one_that_is_gone(admin, made, maker, store_folder):
    run_id, digest = made()
    maker.client.delete_run(run_id)
    assert changes(drift(admin, digest)) == {"run/lifecycle": ("changed", "active", "deleted")}
    erase(store_folder, run_id)
    assert changes(drift(admin, digest)) == {"run": ("removed", f"runs/{run_id}", None)}


def erase(folder, run_id):
    """As `mlflow gc` does in the database."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    store = SqlAlchemyStore(f"sqlite:///{folder / 'mlflow.db'}", str(folder / "artifacts"))
    try:
        store._hard_delete_run(run_id)
    finally:
        store.engine.dispose()


def test_a_version_of_which_the_run_is_gone(admin, versioned, maker, store_folder):
    _, _, run_id, digest = versioned
    maker.client.delete_run(run_id)
    assert changes(drift(admin, digest))["run/lifecycle"][2] == "deleted"
    erase(store_folder, run_id)
    found = changes(drift(admin, digest))
    assert found == {"run": ("removed", run_id, None)}


def test_files_that_are_added_gone_and_larger_by_their_size(admin, versioned, maker, store_folder):
    _, _, run_id, digest = versioned
    maker.client.log_text(run_id, "longer than before", "model/weights.bin")
    maker.client.log_text(run_id, "new", "notes.txt")
    (path,) = (store_folder / "artifacts").rglob(f"{run_id}/artifacts/model/MLmodel")
    path.unlink()
    found = changes(drift(admin, digest))
    assert found == {
        "model_files/MLmodel": ("removed", {"size": 2}, None),
        "model_files/weights.bin": ("changed", {"size": 3}, {"size": 18}),
        "outputs/model/MLmodel": ("removed", {"size": 2}, None),
        "outputs/model/weights.bin": ("changed", {"size": 3}, {"size": 18}),
        "outputs/notes.txt": ("added", None, {"size": 3}),
    }


def test_a_file_of_the_same_size_is_found_by_its_digest_alone(admin, versioned, maker):
    _, _, run_id, digest = versioned
    maker.client.log_text(run_id, "xyz", "model/weights.bin")
    by_size = drift(admin, digest)
    assert (by_size["drifted"], by_size["files_by"]) == (False, "size")
    found = changes(drift(admin, digest, artifacts="true"))
    assert set(found) == {"model_files/weights.bin", "outputs/model/weights.bin"}
    kind, was, now = found["model_files/weights.bin"]
    assert (kind, was["size"], now["size"]) == ("changed", 3, 3)
    assert was["sha256"] != now["sha256"]


def test_a_point_that_was_slipped_into_a_history(admin, made, maker):
    run_id, digest = made()
    maker.client.log_metric(run_id, "auc", 0.1, step=0, timestamp=1)
    assert drift(admin, digest)["drifted"] is False  # the latest value is what it was
    assert set(changes(drift(admin, digest, artifacts="true"))) == {"history/auc"}


def test_files_too_large_to_wait_for_are_refused(admin, versioned, service, monkeypatch):
    scratch = service.evidence.capturing.store.scratch
    monkeypatch.setattr(scratch, "budget", 2)
    answer = admin.get(f"/v1/bundles/{versioned[3]}/drift?artifacts=true")
    assert (answer.status_code, answer.json["code"]) == (422, "bad-input")
    assert "capture it anew" in answer.json["mend"]
    assert drift(admin, versioned[3])["drifted"] is False


def test_a_version_that_was_changed(admin, versioned, maker):
    model, number, _, digest = versioned
    maker.client.update_model_version(model, number, description="the best one")
    maker.client.set_model_version_tag(model, number, "checked", "yes")
    found = changes(drift(admin, digest))
    assert found == {
        "version/description": ("added", None, "the best one"),
        "version/tags/checked": ("added", None, "yes"),
    }


def test_a_version_that_is_gone_and_one_made_anew(admin, versioned, maker):
    model, number, _, digest = versioned
    maker.client.delete_registered_model(model)
    gone = changes(drift(admin, digest))
    assert gone == {"version": ("removed", f"models/{model}/{number}", None)}
    other = maker.run(auc=0.4)
    assert maker.version(model, other) == number
    found = changes(drift(admin, digest))
    assert found["version/created"][0] == "changed"
    assert found["version/run_id"][2] == other
    assert found["metrics/auc"] == ("changed", "0.95", "0.4")


def test_an_alias_that_a_verdict_compared_with(admin, maker):
    model = maker.new_name("held")
    first, second, third = (maker.version(model, maker.run()) for _ in range(3))
    digests = [admin.capture(model=model, version=one).json["digest"] for one in (first, second)]
    maker.client.set_registered_model_alias(model, "production", first)
    admin.get(f"/v1/models/{model}/versions/{second}/decision?environment=prod")
    assert drift(admin, digests[1])["drifted"] is False
    maker.client.set_registered_model_alias(model, "production", third)
    held = (f"models/{model}/{first}", f"models/{model}/{third}")
    found = changes(drift(admin, digests[1]))
    assert found == {"verdict/prod/production": ("changed", *held)}
    maker.client.delete_registered_model_alias(model, "production")
    found = changes(drift(admin, digests[1]))
    assert found == {"verdict/prod/production": ("removed", held[0], None)}


def test_a_baseline_that_the_policy_fixes_does_not_move(service, tokens, admin, maker):
    model = maker.new_name("fixed")
    versions = [maker.version(model, maker.run()) for _ in range(2)]
    first, second = (admin.capture(model=model, version=one).json["digest"] for one in versions)
    rule = "rule: no-regression, metric: auc, direction: higher, baseline:"
    rules = f"{{{rule} {{digest: '{first}'}}}}"
    policy = parse(f"version: 1\nenvironments: {{prod: {{rules: [{rules}]}}}}".encode())
    client = Client(service.app(policy=policy), tokens.admin)
    asked = f"/v1/models/{model}/versions/{versions[1]}/decision?environment=prod"
    assert client.get(asked).json["allowed"] is True
    assert drift(admin, second)["findings"] == []


def test_a_secret_is_masked_as_in_a_capture(admin, made, maker):
    run_id, digest = made(tags={**GOVERNANCE, "note": f"used {PLANTED['key']}"})
    assert drift(admin, digest)["drifted"] is False  # the same secret has the same mark
    maker.client.log_param(run_id, "database", PLANTED["url"])
    answer = admin.get(f"/v1/bundles/{digest}/drift")
    assert "[masked:" in changes(answer.json)["parameters/database"][2]
    assert not any(secret in answer.text for secret in SECRETS)


@pytest.mark.parametrize("error", [AWAY, StoreRefused("refused to show it", "ask")])
def test_of_a_store_that_is_away_nothing_is_known(service, tokens, made, error):
    _, digest = made()
    found = drift(Client(service.on_store(Away(error)), tokens.admin), digest)
    assert (found["drifted"], found["findings"]) == (None, [])
    assert found["unknown"] == [
        {"what": service.evidence.bundle(digest, ADMIN).subject, "why": error.detail}
    ]


def test_files_that_cannot_be_listed_are_unknown_and_not_gone(service, tokens, made):
    _, digest = made(files={"deep/one.txt": "1"})
    store = copy(service.evidence.capturing.store)
    store.repository = Away(OSError("the disk is gone")).repository
    found = drift(Client(service.on_store(store), tokens.admin), digest)
    assert (found["drifted"], found["findings"]) == (None, [])
    told = {one["what"]: one["why"] for one in found["unknown"]}
    assert told["outputs/deep/one.txt"] == told["outputs"] == "listing failed: OSError"


def test_a_server_that_does_not_answer_is_unknown(service, tokens, made, monkeypatch):
    _, digest = made()
    store = silent(service, monkeypatch)
    found = drift(Client(service.on_store(store), tokens.admin), digest)
    assert (found["drifted"], found["findings"]) == (None, [])
    assert "could not be read from the tracking store" in found["unknown"][0]["why"]


def test_a_foreign_token_learns_nothing_and_mlflow_is_not_asked(service, tokens, versioned):
    app = service.on_store(Untouchable())
    for token in (tokens.stranger, tokens.mine):
        answer = Client(app, token).get(f"/v1/bundles/{versioned[3]}/drift")
        assert (answer.status_code, answer.json["code"]) == (404, "not-found")


def test_a_version_made_anew_from_a_foreign_run_tells_nothing_of_it(service, app, maker):
    model = maker.new_name("taken")
    version = maker.version(model, maker.run())
    mine = Client(app, service.token("half", experiments=("credit*",), models=(model,)))
    digest = mine.capture(model=model, version=version).json["digest"]
    maker.client.delete_registered_model(model)
    maker.version(model, maker.run(experiment="secret-lab", params={"hidden": "thing"}))
    answer = mine.get(f"/v1/bundles/{digest}/drift")
    assert changes(answer.json) == {"run/experiment": ("changed", "credit", None)}
    assert answer.json["unknown"] and "hidden" not in answer.text


@pytest.mark.parametrize("query", ["artifacts=maybe", "other=1"])
def test_a_slip_is_an_error(admin, captured, query):
    assert admin.get(f"/v1/bundles/{captured.run}/drift?{query}").status_code == 422


def test_what_was_erased_is_gone(admin, made):
    _, digest = made()
    assert admin.post(f"/v1/bundles/{digest}/erasure", {"reason": "asked to"}).status_code == 200
    assert admin.get(f"/v1/bundles/{digest}/drift").status_code == 410


def _admin():
    from mlflow_evidence_plugin.storage import Principal

    return Principal("local", ("admin",), ("*",), ("*",), "local")


ADMIN = _admin()


def against_production(admin, maker):
    """The second version of a model, judged against the first, which holds the alias."""
    model = maker.new_name("judged")
    for _ in range(2):
        maker.version(model, maker.run())
    first, second = (admin.capture(model=model, version=n).json["digest"] for n in "12")
    maker.client.set_registered_model_alias(model, "production", "1")
    path = f"/v1/models/{model}/versions/2/decision?environment=prod"
    assert admin.get(path).json["baselines"] == {"production": first}
    return model, first, second


def test_a_version_that_is_released_has_not_drifted_by_that(admin, maker):
    model, _, second = against_production(admin, maker)
    maker.client.set_registered_model_alias(model, "production", "2")
    assert admin.get(f"/v1/bundles/{second}/drift").json["drifted"] is False
    maker.version(model, maker.run())
    maker.client.set_registered_model_alias(model, "production", "3")
    found = admin.get(f"/v1/bundles/{second}/drift").json["findings"]
    assert [one["what"] for one in found] == ["verdict/prod/production"]


def test_where_the_baselines_evidence_was_erased_nothing_is_known_of_its_alias(admin, maker):
    _, first, second = against_production(admin, maker)
    assert admin.post(f"/v1/bundles/{first}/erasure", {"reason": "asked to"}).status_code == 200
    found = admin.get(f"/v1/bundles/{second}/drift").json
    assert (found["drifted"], found["findings"]) == (None, [])
    assert [one["what"] for one in found["unknown"]] == ["verdict/prod/production"]
