"""What holds for every endpoint: ids, traces, logs without secrets, keys, conditional requests."""

from __future__ import annotations

import json
import logging
import re
import time
from types import SimpleNamespace

import pytest

from api.logs import Formatter
from tests.contract.checked import Client

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-0[01]")


def order(app, token, body, key=None):
    headers = {"Idempotency-Key": key} if key else {}
    return Client(app, token).post("/v1/captures", body, headers=headers)


@pytest.fixture
def idle(evidence, world):
    """The application, and a worker that does not work."""
    from api.app import create_app

    return create_app(evidence, lambda _: None)


def test_a_request_keeps_its_id_and_a_problem_tells_it(admin):
    answer = admin.get("/v1/bundles/none", headers={"X-Request-Id": "ticket-17:a.b"})
    assert answer.headers["X-Request-Id"] == "ticket-17:a.b" == answer.json["request_id"]


@pytest.mark.parametrize("sent", [None, "", "x" * 65, "a b", "<script>", 'a"b', "ünï"])
def test_an_id_that_is_not_sane_is_replaced(admin, sent):
    headers = {} if sent is None else {"X-Request-Id": sent.encode().decode("latin-1")}
    assert re.fullmatch(
        "[0-9a-f]{32}", admin.get("/livez", headers=headers).headers["X-Request-Id"]
    )


def test_a_trace_goes_on_with_a_span_of_our_own(admin):
    sent = admin.get("/livez", headers={"traceparent": PARENT}).headers["traceparent"]
    trace, span = TRACEPARENT.fullmatch(sent).groups()
    assert trace == TRACE and span != "00f067aa0ba902b7" and sent.endswith("-01")


@pytest.mark.parametrize(
    "sent",
    [None, "nonsense", PARENT.upper(), f"00-{'0' * 32}-00f067aa0ba902b7-01", "ff" + PARENT[2:]],
    ids=["none", "nonsense", "upper-case", "zeros", "version-ff"],
)
def test_a_trace_that_is_none_is_begun_anew(admin, sent):
    headers = {"traceparent": sent} if sent else {}
    answer = admin.get("/livez", headers=headers).headers["traceparent"]
    assert TRACEPARENT.fullmatch(answer).group(1) not in ("0" * 32, TRACE)


def test_every_answer_has_them_errors_too(admin, client):
    for answer in (
        admin.get("/v1/bundles"),
        admin.get("/nowhere"),
        admin.open("DELETE", "/v1/bundles"),
        admin.get("/v1/bundles?a=1&a=2"),
        client(None).get("/v1/bundles"),
    ):
        assert answer.headers["X-Request-Id"] and TRACEPARENT.fullmatch(
            answer.headers["traceparent"]
        )


def test_a_request_is_one_line_of_json_and_its_secrets_are_not_in_it(admin, tokens, caplog):
    caplog.set_level(logging.INFO, "api.request")
    admin.get("/v1/bundles?owner=jane", headers={"X-Request-Id": "r1", "traceparent": PARENT})
    (line,) = [Formatter().format(one) for one in caplog.records if one.name == "api.request"]
    said = json.loads(line)
    assert (said["method"], said["path"], said["status"]) == ("GET", "/v1/bundles", 200)
    assert (said["request_id"], said["trace_id"]) == ("r1", TRACE)
    assert said["principal"] == "first-start" and said["ms"] >= 0
    assert said["token"] == tokens.admin.split("_")[1]
    assert "jane" not in line and tokens.admin.split("_", 2)[2] not in line


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("token mle_0123456789abcdef_s3cr-et_x in it", "s3cr-et_x"),
        ("Authorization: Bearer abc.def-ghi", "abc.def-ghi"),
        ("authorization: basic dXNlcjpwdw==", "dXNlcjpwdw"),
        ("postgresql://user:hunter2@db/evidence failed", "hunter2"),
        ("https://x-token:hunter2@git.example.org", "hunter2"),
    ],
)
def test_whatever_is_logged_leaves_without_secrets(text, secret):
    try:
        raise ValueError(text)
    except ValueError as error:
        told = (type(error), error, error.__traceback__)
    record = logging.LogRecord("x", logging.ERROR, "f.py", 1, "%s", (text,), told)
    line = Formatter().format(record)
    assert secret not in line
    assert json.loads(line)["message"]
    assert "\n" not in line


def test_a_line_break_in_a_path_forges_no_line(admin, caplog):
    caplog.set_level(logging.INFO, "api.request")
    admin.get("/v1/runs/x%22,%22status%22:200%7D%0A%7B/evidence")
    (line,) = [Formatter().format(one) for one in caplog.records if one.name == "api.request"]
    assert "\n" not in line and json.loads(line)["status"] == 400


def test_an_equal_order_that_nobody_has_begun_is_the_same_order(idle, tokens, world):
    body = {"run_id": world.child}
    first, second = order(idle, tokens.admin, body), order(idle, tokens.admin, body)
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json["id"] == second.json["id"]
    assert order(idle, tokens.capturer, body).json["id"] != first.json["id"]


def test_a_key_stands_for_its_order_after_it_ended(app, evidence, tokens, world, database_kind):
    key = f"key-{database_kind}"
    first = order(app, tokens.admin, {"run_id": world.child}, key)
    evidence.capturing.perform(first.json["id"])
    again = order(app, tokens.admin, {"run_id": world.child}, key)
    assert (again.status_code, again.json["state"]) == (201, "done")
    assert again.json["id"] == first.json["id"]
    assert order(app, tokens.admin, {"run_id": world.child}).json["id"] != first.json["id"]


def test_a_key_with_another_body_is_refused(idle, tokens, world):
    assert order(idle, tokens.admin, {"run_id": world.good}, "once").status_code == 202
    refused = order(idle, tokens.admin, {"run_id": world.regressed}, "once")
    assert (refused.status_code, refused.json["code"]) == (422, "idempotency-key-reused")
    assert refused.json["mend"]
    assert order(idle, tokens.capturer, {"run_id": world.regressed}, "once").status_code == 202


@pytest.mark.parametrize("key", ["x" * 256, "with blank", "tab\there", "ünï"])
def test_a_key_that_is_none_is_refused(idle, tokens, world, key):
    sent = key.encode().decode("latin-1")
    assert order(idle, tokens.admin, {"run_id": world.good}, sent).status_code == 422


@pytest.fixture(scope="module")
def staged(admin, maker) -> SimpleNamespace:
    """A run with two versions of one model: the first in production, the second captured too."""
    run_id, model = maker.run(), maker.new_name("staged")
    for _ in range(2):
        maker.version(model, run_id)
    maker.client.transition_model_version_stage(model, "1", "Production")
    maker.client.set_registered_model_alias(model, "champion", "1")
    digests = [admin.capture(model=model, version=version).json["digest"] for version in ("1", "2")]
    return SimpleNamespace(run_id=run_id, model=model, digests=digests)


@pytest.mark.parametrize("by", ["aliases/champion", "stages/Production"])
def test_evidence_by_alias_or_stage_says_what_it_led_to_and_may_be_unchanged(admin, staged, by):
    path = f"/v1/models/{staged.model}/{by}/evidence"
    found = admin.get(path)
    kind, name = by.split("/")
    resolved = found.json["resolved"]
    assert (resolved["version"], found.json["digest"]) == ("1", staged.digests[0])
    assert resolved[{"aliases": "alias", "stages": "stage"}[kind]] == name
    etag = found.headers["ETag"]
    assert etag.startswith("W/")
    assert admin.get(path, headers={"If-None-Match": etag}).status_code == 304
    by_number = admin.get(f"/v1/models/{staged.model}/versions/1/evidence")
    assert by_number.headers["ETag"] != etag


def test_the_etag_of_an_alias_changes_with_its_holder(admin, maker, staged):
    path = f"/v1/models/{staged.model}/aliases/champion/evidence"
    etag = admin.get(path).headers["ETag"]
    maker.client.set_registered_model_alias(staged.model, "champion", "2")
    moved = admin.get(path, headers={"If-None-Match": etag})
    maker.client.set_registered_model_alias(staged.model, "champion", "1")
    assert (moved.status_code, moved.json["digest"]) == (200, staged.digests[1])


def test_a_stage_is_decided_like_an_alias(admin, staged):
    decided = admin.get(f"/v1/models/{staged.model}/stages/Production/decision?environment=lab")
    assert decided.json["subject"] == f"models/{staged.model}/1"
    for stage in ("Staging", "NoSuchStage"):
        answer = admin.get(f"/v1/models/{staged.model}/stages/{stage}/evidence")
        assert (answer.status_code, answer.json["code"]) == (404, "not-found")


def test_a_foreign_models_stage_is_not_there_and_nobody_asks(service, tokens, staged):
    from tests.api.stores import Untouchable

    stranger = Client(service.on_store(Untouchable()), tokens.stranger)
    path = f"/v1/models/{staged.model}/stages/Production/evidence"
    assert stranger.get(path).status_code == 404


def test_a_run_leads_to_its_models(admin, staged):
    found = admin.get(f"/v1/runs/{staged.run_id}/models").json
    assert found["problem"] is None
    assert [one["version"] for one in found["items"]] == ["1", "2"]
    first, second = found["items"]
    assert (first["stage"], first["aliases"], first["registered"]) == (
        "Production",
        ["champion"],
        True,
    )
    assert (second["stage"], second["aliases"]) == (None, [])
    assert [first["digest"], second["digest"]] == staged.digests


def test_a_run_leads_to_what_evidence_knows_when_the_registry_does_not(
    admin, maker, service, tokens, staged
):
    from mlflow_evidence_plugin.errors import StoreUnavailable
    from tests.api.stores import Away

    away = service.on_store(Away(StoreUnavailable("the store is away", "wait")))
    found = Client(away, tokens.admin).get(f"/v1/runs/{staged.run_id}/models").json
    assert found["problem"]["code"] == "store-unavailable"
    assert {(one["registered"], one["aliases"]) for one in found["items"]} == {(None, None)}
    assert [one["digest"] for one in found["items"]] == staged.digests
    unknown = Client(away, tokens.admin).get("/v1/runs/unknown/models")
    assert unknown.status_code == 503


def test_a_version_that_was_deleted_is_still_known_by_its_evidence(admin, maker):
    run_id, model = maker.run(), maker.new_name("deleted")
    maker.version(model, run_id)
    digest = admin.capture(model=model, version="1").json["digest"]
    maker.client.delete_registered_model(model)
    (item,) = admin.get(f"/v1/runs/{run_id}/models").json["items"]
    assert (item["registered"], item["digest"]) == (False, digest)


@pytest.mark.parametrize("who", ["stranger", "mine"])
def test_the_models_of_a_foreign_run_are_not_there(client, tokens, world, captured, who):
    answer = client(getattr(tokens, who)).get(f"/v1/runs/{world.foreign}/models")
    assert (answer.status_code, answer.json["code"]) == (404, "not-found")


def test_a_metrics_history_is_served_by_its_digest(admin, captured):
    record = admin.get(f"/v1/bundles/{captured.run}").json["record"]
    series = record["history"]["facts"]["auc"]["value"]
    path = f"/v1/bundles/{captured.run}/materials/{series['digest']}"
    found = admin.get(path)
    assert found.text.splitlines()[0].startswith("0,") and len(found.text.splitlines()) == 2
    assert found.mimetype == "text/csv" and "immutable" in found.headers["Cache-Control"]
    assert found.headers["ETag"] == f'"{series["digest"]}"'
    assert admin.get(path, headers={"If-None-Match": found.headers["ETag"]}).status_code == 304


def test_a_material_that_the_record_does_not_name_is_not_there(admin, client, tokens, captured):
    record = admin.get(f"/v1/bundles/{captured.run}").json["record"]
    digest = record["history"]["facts"]["auc"]["value"]["digest"]
    for path in (
        f"/v1/bundles/{captured.run}/materials/sha256:{'0' * 64}",
        f"/v1/bundles/{captured.run}/materials/{captured.run}",
        f"/v1/bundles/sha256:{'0' * 64}/materials/{digest}",
    ):
        assert admin.get(path).status_code == 404
    foreign = f"/v1/bundles/{captured.run}/materials/{digest}"
    assert client(tokens.stranger).get(foreign).status_code == 404


def test_a_body_without_a_length_is_bounded_as_well(app, tokens):
    import io

    body = b'{"run_id": "x"}' + b" " * (2 << 20)
    answer = app.test_client().post(
        "/v1/captures",
        input_stream=io.BytesIO(body),
        headers={"Authorization": f"Bearer {tokens.admin}", "Transfer-Encoding": "chunked"},
        content_type="application/json",
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert (answer.status_code, answer.mimetype) == (413, "application/problem+json")


def test_html_by_an_alias_may_be_unchanged_too(admin, staged):
    path = f"/v1/models/{staged.model}/aliases/champion/evidence"
    html = {"Accept": "text/html"}
    etag = admin.get(path, headers=html).headers["ETag"]
    time.sleep(1.1)  # the page says to the second when the alias was looked up
    assert admin.get(path, headers={**html, "If-None-Match": etag}).status_code == 304


def test_what_is_again_as_it_was_is_the_newest_evidence_of_its_run(admin, maker):
    run_id, model = maker.run(), maker.new_name("again")
    maker.version(model, run_id)
    digests = []
    for note in ("a", "b", "a"):
        maker.client.set_model_version_tag(model, "1", "note", note)
        digests.append(admin.capture(model=model, version="1").json["digest"])
    assert digests[0] == digests[2] != digests[1]
    (item,) = admin.get(f"/v1/runs/{run_id}/models").json["items"]
    assert item["digest"] == digests[2]


def test_a_time_before_1970_by_its_offset_is_no_error(admin):
    for name in ("since", "until"):
        assert admin.get(f"/v1/bundles?{name}=1970-01-01T00:00:00%2B01:00").status_code == 200


def test_a_query_is_refused_however_often_and_one_answer_changes_no_other(admin, captured):
    path = f"/v1/bundles?run_id={captured.run}"
    for _ in range(2):
        assert admin.get(f"{path}&no_such=1").status_code == 422
        assert admin.get("/v1/bundles?limit=x").status_code == 422
    pages = [admin.get("/v1/bundles?limit=1").json for _ in range(2)]
    assert pages[0] == pages[1] and pages[0]["next"]
    further = admin.get(f"/v1/bundles?limit=1&cursor={pages[0]['next']}").json
    assert further["items"] != pages[0]["items"]
    assert admin.get("/v1/bundles?limit=1").json == pages[0]
