"""Orders to capture: one subject, accepted or carried out, and told how it went."""

from __future__ import annotations

import json

import pytest

from api.app import create_app
from tests.api.stores import Listening, Untouchable
from tests.contract.checked import Client
from tests.world import FILES, PLANTED, SECRETS

ONE_SUBJECT = "a capture needs exactly one subject"


def record(client, answer):
    assert answer.status_code == 201, answer.text
    return client.get(answer.json["bundle"]).json["record"]


def values(section):
    return {name: fact["value"] for name, fact in section["facts"].items()}


def test_a_run_is_captured_and_its_evidence_is_where_the_answer_says(admin, world):
    made = admin.capture(run_id=world.good)
    assert (made.status_code, made.json["state"], made.json["attempts"]) == (201, "done", 1)
    assert made.json["run_id"] == world.good
    assert made.headers["Location"] == f"/v1/captures/{made.json['id']}"
    assert admin.get(made.headers["Location"]).json == made.json
    bundle = admin.get(made.json["bundle"]).json
    assert (bundle["digest"], bundle["subject"]) == (made.json["digest"], f"runs/{world.good}")


def test_without_waiting_an_order_is_accepted_and_done_later(evidence, tokens, world):
    orders = []
    client = Client(create_app(evidence, orders.append), tokens.admin)
    accepted = client.post("/v1/captures", {"run_id": world.good})
    assert (accepted.status_code, accepted.json["state"]) == (202, "accepted")
    assert orders == [accepted.json["id"]]
    evidence.capturing.perform(orders[0])
    assert client.get(accepted.headers["Location"]).json["state"] == "done"


def test_waiting_ends_when_the_time_that_was_preferred_is_over(evidence, tokens, world):
    client = Client(create_app(evidence, lambda _: None), tokens.admin)
    waited = client.post("/v1/captures", {"run_id": world.good}, headers={"Prefer": "wait=0"})
    assert (waited.status_code, waited.json["state"]) == (202, "accepted")


def test_an_unchanged_run_has_the_same_digest_again(admin, world):
    assert (
        admin.capture(run_id=world.child).json["digest"]
        == (admin.capture(run_id=world.child).json["digest"])
    )


def test_an_alias_is_captured_as_the_version_that_holds_it(admin, world, captured):
    made = admin.capture(model="credit", alias="production")
    assert (made.json["alias"], made.json["digest"]) == ("production", captured.good)


def test_every_artifact_is_in_the_evidence_whatever_its_name(admin, world):
    outputs = values(record(admin, admin.capture(run_id=world.good))["outputs"])
    assert set(outputs) == set(FILES)
    assert outputs["model/weights.bin"]["size"] == 3000


def with_file(maker, store_folder, name):
    """A run with a file that MLflow's client could not upload under that name."""
    run_id = maker.run(files={"fine.txt": "fine"})
    (folder,) = store_folder.glob(f"artifacts/*/{run_id}/artifacts")
    (folder / name).write_text("odd")
    return run_id


def test_a_name_with_a_question_mark_is_read_like_any_other(admin, maker, store_folder):
    run_id = with_file(maker, store_folder, "really?.txt")
    outputs = values(record(admin, admin.capture(run_id=run_id))["outputs"])
    assert set(outputs) == {"fine.txt", "really?.txt"}


def test_a_folder_that_mlflows_client_cannot_list_is_a_gap(admin, maker, store_folder):
    found = record(admin, admin.capture(run_id=with_file(maker, store_folder, "a#b.txt")))
    assert [(gap["place"], gap["code"]) for gap in found["gaps"]] == [("outputs", "not-listed")]


def test_numbers_that_json_cannot_say_are_kept_as_text(admin, world):
    metrics = values(record(admin, admin.capture(run_id=world.odd))["metrics"])
    said = {name: metrics[name]["value"] for name in ("nan", "up", "down")}
    assert said["nan"] == "NaN"
    # SQL stores keep an infinity as the largest double.
    assert float(said["up"]) >= 1.7976931348623157e308
    assert float(said["down"]) <= -1.7976931348623157e308


def test_planted_secrets_are_found_and_in_no_part_of_the_evidence(admin, service, world):
    made = admin.capture(run_id=world.planted)
    found = values(record(admin, made)["findings"])["secrets"]
    places = {one["place"] for one in found}
    assert places == {"parameters/database", "tags/note", "outputs/deploy/settings.env:2"}
    shown = admin.get(made.json["bundle"]).text
    kept = b"".join(file.read_bytes() for file in service.home.glob("evidence.db*"))
    for secret in SECRETS:
        assert secret not in shown
        assert secret.encode() not in kept
    assert PLANTED["url"].split(":")[0] in shown


def test_parent_and_children_are_told(admin, world):
    parent = values(record(admin, admin.capture(run_id=world.parent))["lineage"])
    child = values(record(admin, admin.capture(run_id=world.child))["lineage"])
    assert parent["children"] == [world.child]
    assert child["parent"] == world.parent


def test_dataset_inputs_are_told(admin, world):
    inputs = values(record(admin, admin.capture(run_id=world.with_inputs))["inputs"])
    assert inputs["applications@0d1e2f3a"]["context"] == "train"


def test_a_version_without_a_run_is_evidence_that_says_so(admin, world):
    found = record(admin, admin.capture(model="credit", version=world.v_no_run))
    assert found["run"] == {"absent": "there is no source run"}


def test_a_source_outside_the_roots_is_a_gap_and_is_not_read(admin, world):
    found = record(admin, admin.capture(model="credit", version=world.v_passwd))
    assert [(gap["place"], gap["code"]) for gap in found["gaps"]] == [
        ("model_files", "location-not-allowed")
    ]
    assert "absent" in found["model_files"]
    assert "root:" not in json.dumps(found)


def test_a_version_whose_run_was_deleted_for_good_says_that_its_run_is_gone(
    admin, maker, store_folder
):
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    version = maker.version("outlived", run_id := maker.run())
    maker.client.delete_run(run_id)
    store = SqlAlchemyStore(f"sqlite:///{store_folder / 'mlflow.db'}", str(store_folder))
    store._hard_delete_run(run_id)
    store.engine.dispose()
    found = record(admin, admin.capture(model="outlived", version=version))
    assert {"place": "run", "code": "not-found"}.items() <= found["gaps"][-1].items()


@pytest.mark.parametrize(
    ("subject", "detail"),
    [
        ({"run_id": "0" * 32}, "the tracking store has no run " + "0" * 32),
        ({"model": "nobody", "version": "1"}, "version 1 of model nobody"),
        ({"model": "credit", "version": "999"}, "version 999 of model credit"),
        ({"model": "credit", "version": "latest"}, "version latest of model credit"),
        ({"model": "credit", "alias": "nobody"}, "no version of model credit holds the alias"),
        ({"model": "nobody", "alias": "production"}, "model nobody"),
    ],
    ids=lambda value: "-".join(value.values()) if isinstance(value, dict) else "",
)
def test_what_the_store_does_not_have_is_not_found(admin, world, subject, detail):
    answer = admin.capture(**subject)
    assert (answer.status_code, answer.json["code"]) == (404, "not-found")
    assert detail in answer.json["detail"]
    assert answer.json["mend"]
    order = admin.get(answer.json["capture"]).json
    assert (order["state"], order["error"]["code"]) == ("failed", "not-found")


@pytest.mark.parametrize(
    "subject",
    [
        {},
        {"run_id": "r", "model": "credit", "version": "1"},
        {"model": "credit"},
        {"version": "1"},
        {"model": "credit", "version": "1", "alias": "production"},
    ],
    ids=lambda value: "+".join(value) or "none",
)
def test_anything_but_one_subject_is_refused(admin, subject):
    answer = admin.post("/v1/captures", subject)
    assert (answer.status_code, answer.json["detail"]) == (422, ONE_SUBJECT)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("run_id", 7),
        ("run_id", None),
        ("run_id", ["a"]),
        ("run_id", ""),
        ("run_id", "a\nb"),
        ("run_id", "a\n"),
        ("run_id", "a\0"),
        ("run_id", "x" * 257),
        ("run_id", "\ud800"),
        ("runid", "misspelt"),
    ],
)
def test_a_field_that_is_not_as_described_is_named_in_the_refusal(admin, field, value):
    answer = admin.post("/v1/captures", {field: value})
    assert (answer.status_code, answer.json["code"]) == (422, "bad-input")
    assert field in answer.json["detail"]


@pytest.mark.parametrize(
    "body",
    [b"{", b"\xff\xfe", b"", b"[" * 100_000, b'{"run_id": ' + b"1" * 5000 + b"}", b"NaN", b"[]"],
    ids=["cut", "not-utf8", "empty", "deep", "huge-number", "nan", "list"],
)
def test_a_body_that_is_no_json_object_is_refused(admin, body):
    answer = admin.post("/v1/captures", data=body, content_type="application/json")
    assert answer.status_code in (400, 422)
    assert answer.json["code"] == "bad-input"


def test_a_body_of_another_type_is_not_taken_for_json(admin, world):
    body = json.dumps({"run_id": world.good})
    answer = admin.post("/v1/captures", data=body, content_type="text/plain")
    assert (answer.status_code, answer.json["detail"]) == (422, ONE_SUBJECT)


def test_a_body_over_the_limit_is_refused(admin):
    answer = admin.post("/v1/captures", {"run_id": "x" * (1 << 20)})
    assert answer.status_code == 413


def test_an_overlong_preference_is_refused(admin):
    answer = admin.post("/v1/captures", {"run_id": "r"}, headers={"Prefer": "x" * 201})
    assert answer.status_code == 422


def test_an_unknown_capture_and_somebody_elses_are_not_found_alike(client, tokens, world):
    made = client(tokens.admin).capture(run_id=world.good).json["id"]
    foreign = client(tokens.capturer).get(f"/v1/captures/{made}")
    unknown = client(tokens.capturer).get("/v1/captures/unknown")
    assert (foreign.status_code, unknown.status_code) == (404, 404)
    assert foreign.json["detail"] == unknown.json["detail"].replace("unknown", made)


def test_a_foreign_model_is_not_found_before_the_store_is_asked(service, tokens, world):
    stranger = Client(service.on_store(Untouchable()), tokens.stranger)
    before = service.counts()
    for subject in ({"version": world.v_good}, {"alias": "production"}):
        answer = stranger.post("/v1/captures", {"model": "credit", **subject})
        assert (answer.status_code, answer.json["code"]) == (404, "not-found")
    assert service.counts() == before


def test_a_foreign_run_is_not_found_in_the_words_for_an_unknown_one(service, tokens, world):
    store = Listening(service.evidence.capturing.store)
    mine = Client(service.on_store(store), tokens.mine)
    foreign, unknown = mine.capture(run_id=world.foreign), mine.capture(run_id="0" * 32)
    assert (foreign.status_code, unknown.status_code) == (404, 404)
    assert foreign.json["detail"] == unknown.json["detail"].replace("0" * 32, world.foreign)
    assert foreign.json["mend"] == unknown.json["mend"]
    assert set(store.asked) == {"experiment_of"}  # which has to be asked; nothing of it is read


def test_a_run_within_the_tokens_experiments_is_captured(client, tokens, world):
    assert client(tokens.mine).capture(run_id=world.good).status_code == 201


def test_a_version_does_not_open_a_run_of_a_foreign_experiment(client, tokens, maker, world):
    """Whoever may write to a registered model could else name any run as its source."""
    version = maker.version("credit", maker.run(experiment="secret-lab"))
    mine = client(tokens.mine)
    path = f"/v1/models/credit/versions/{version}"
    assert mine.capture(model="credit", version=version).status_code == 404
    made = client(tokens.admin).capture(model="credit", version=version).json
    for shown in (f"{path}/evidence", made["bundle"], f"{path}/decision?environment=prod"):
        assert mine.get(shown).status_code == 404
    found = mine.get("/v1/bundles?model=credit&limit=200").json["items"]
    assert made["digest"] not in [one["digest"] for one in found]


def test_a_capture_that_fails_leaves_nothing_but_its_reason(admin, service, world):
    before = service.counts()
    assert admin.capture(run_id="0" * 32).status_code == 404
    assert service.counts() == before | {"captures": before["captures"] + 1}
