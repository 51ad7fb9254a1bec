"""Evidence by digest, by run, by version and by alias; and the search for it."""

from __future__ import annotations

import json

import pytest

from mlflow_evidence_plugin.errors import StoreRefused, StoreUnavailable
from mlflow_evidence_plugin.signing import Keyring
from mlflow_evidence_plugin.verify import verify_bundle
from tests.api.stores import Away, Untouchable
from tests.contract.checked import Client

UNKNOWN = "sha256:" + "0" * 64


@pytest.fixture(scope="module")
def trusted(service):
    return Keyring.of([(service.home / "public-key.pem").read_bytes()])


@pytest.fixture(scope="module")
def stranger(client, tokens):
    return client(tokens.stranger)


@pytest.fixture(scope="module")
def paths(world, captured):
    return {
        "digest": f"/v1/bundles/{captured.good}",
        "run": f"/v1/runs/{world.good}/evidence",
        "version": f"/v1/models/credit/versions/{world.v_good}/evidence",
        "alias": "/v1/models/credit/aliases/production/evidence",
    }


@pytest.mark.parametrize("by", ["digest", "run", "version", "alias"])
def test_evidence_is_served_and_verifies(admin, paths, trusted, by):
    answer = admin.get(paths[by])
    assert answer.status_code == 200
    report = verify_bundle(answer.data, trusted)
    assert report.passed, report.document()
    assert len(report.checks) == 2 + 2 * len(answer.json["statements"])


def test_evidence_that_was_changed_does_not_verify(admin, paths, trusted):
    changed = admin.get(paths["version"]).data.replace(b'"0.2"', b'"0.1"')
    assert not verify_bundle(changed, trusted).passed


def test_an_alias_is_answered_with_its_version_and_when_it_was_looked_up(admin, world, paths):
    resolved = admin.get(paths["alias"]).json["resolved"]
    assert (resolved["alias"], resolved["version"]) == ("production", world.v_good)
    assert resolved["resolved_at"].endswith("Z")


def test_an_alias_that_moves_is_answered_with_its_new_holder(admin, maker):
    for version in [maker.version("moving", maker.run()) for _ in range(2)]:
        admin.capture(model="moving", version=version)
        maker.client.set_registered_model_alias("moving", "live", version)
        found = admin.get("/v1/models/moving/aliases/live/evidence").json
        assert found["resolved"]["version"] == version
        assert found["subject"] == f"models/moving/{version}"


@pytest.mark.parametrize("by", ["digest", "run", "version"])
def test_unchanged_evidence_is_not_sent_again(admin, paths, by):
    first = admin.get(paths[by])
    again = admin.get(paths[by], headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    other = admin.get(paths[by], headers={"If-None-Match": '"other"'})
    assert other.status_code == 200


def test_no_cache_between_may_keep_evidence(admin, paths):
    assert "private" in admin.get(paths["digest"]).headers["Cache-Control"]


@pytest.mark.parametrize(
    "path",
    [
        f"/v1/bundles/{UNKNOWN}",
        "/v1/bundles/nonsense",
        "/v1/runs/unknown/evidence",
        "/v1/models/unknown/versions/1/evidence",
        "/v1/models/credit/versions/999/evidence",
        "/v1/models/credit/aliases/unknown/evidence",
        "/v1/models/unknown/aliases/production/evidence",
        "/v1/models/größe ☃/versions/1/evidence",
        "/v1/nothing",
    ],
)
def test_what_is_not_there_is_not_found(admin, captured, path):
    assert admin.get(path).status_code == 404


@pytest.mark.parametrize("by", ["digest", "run", "version", "alias"])
def test_foreign_evidence_is_not_found_and_the_store_is_not_asked(service, tokens, paths, by):
    stranger = Client(service.on_store(Untouchable()), tokens.stranger)
    assert stranger.get(paths[by]).status_code == 404


def test_foreign_evidence_is_answered_in_the_words_for_what_is_not_there(stranger, world, captured):
    for there, not_there, path in (
        (captured.good, UNKNOWN, "/v1/bundles/{}"),
        (world.good, "f" * 32, "/v1/runs/{}/evidence"),
        (world.v_good, "999", "/v1/models/credit/versions/{}/evidence"),
    ):
        named = {"X-Request-Id": "same"}
        foreign = stranger.get(path.format(there), headers=named)
        unknown = stranger.get(path.format(not_there), headers=named)
        assert foreign.text == unknown.text.replace(not_there, there)


def test_a_token_sees_its_own_experiments_and_models_only(client, tokens, world, captured):
    mine = client(tokens.mine)
    assert mine.get(f"/v1/runs/{world.good}/evidence").status_code == 200
    assert mine.get(f"/v1/bundles/{captured.good}").status_code == 200
    assert mine.get(f"/v1/runs/{world.foreign}/evidence").status_code == 404
    assert mine.get(f"/v1/bundles/{captured.foreign_run}").status_code == 404
    assert mine.get(f"/v1/bundles/{captured.foreign}").status_code == 404


def test_a_search_shows_the_tokens_own_only(client, tokens, captured):
    found = client(tokens.mine).get("/v1/bundles?limit=200").json["items"]
    assert {captured.good, captured.run} <= {one["digest"] for one in found}
    assert {one["model"] for one in found} <= {"credit", None}
    assert {one["experiment"] for one in found if not one["model"]} == {"credit"}
    assert client(tokens.stranger).get("/v1/bundles").json == {"items": [], "next": None}


@pytest.mark.parametrize(
    ("query", "subject"),
    [
        ("run_id={good}", None),
        ("model=credit&version={v_regressed}", "models/credit/{v_regressed}"),
        ("model=vault", "models/vault/{v_foreign}"),
        ("run_id={foreign}&model=vault", "models/vault/{v_foreign}"),
    ],
)
def test_a_search_finds_what_it_names(admin, world, captured, query, subject):
    found = admin.get("/v1/bundles?" + query.format(**vars(world))).json["items"]
    assert found
    if subject:
        assert {one["subject"] for one in found} == {subject.format(**vars(world))}
    else:
        assert {one["run_id"] for one in found} == {world.good}


def test_a_search_for_what_is_not_there_is_empty(admin, captured):
    answer = admin.get("/v1/bundles?model=credit&run_id=unknown")
    assert answer.json == {"items": [], "next": None}
    assert "Link" not in answer.headers


def test_pages_lead_through_everything_once_newest_first(admin, maker):
    run_id = maker.run()
    for number in range(5):
        maker.client.set_tag(run_id, "note", str(number))
        admin.capture(run_id=run_id)
    whole = admin.get(f"/v1/bundles?run_id={run_id}").json["items"]
    path, pages = f"/v1/bundles?run_id={run_id}&limit=2", []
    while path:
        answer = admin.get(path)
        pages.append(answer.json["items"])
        link = answer.headers.get("Link", "")
        assert bool(link) == (answer.json["next"] is not None)
        assert not link or link.endswith('; rel="next"')
        path = link.partition(">")[0].removeprefix("<")
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [one for page in pages for one in page] == whole
    times = [one["captured_at"] for one in whole]
    assert times == sorted(times, reverse=True)


def test_what_is_captured_again_without_a_change_is_found_once(admin, maker):
    run_id = maker.run()
    for _ in range(3):
        admin.capture(run_id=run_id)
    assert len(admin.get(f"/v1/bundles?run_id={run_id}").json["items"]) == 1


def test_a_page_is_full_however_much_lies_between_that_is_not_the_callers(
    admin, client, maker, tokens, world
):
    first, second = maker.run(), maker.run()
    for subject in (first, world.foreign, second):
        maker.client.set_tag(subject, "note", subject)
        admin.capture(run_id=subject)
    found = client(tokens.mine).get("/v1/bundles?limit=2").json["items"]
    assert [one["run_id"] for one in found] == [second, first]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("owner=olga", True),
        ("ticket=CHG%2F7", True),
        ("tag=colour=gr%C3%BCn%20%26%20blau", True),
        ("tag=evidence.owner=olga&model=&", False),
        ("verdict=passed&environment=lab&owner=olga", True),
        ("verdict=failed&environment=prod&owner=olga", True),
        ("verdict=passed&environment=prod&owner=olga", False),
        ("owner=olga&until=2026-01-01T00:00:00Z", False),
        ("owner=olga&since=2026-01-01T00:00:00%2B02:00", True),
    ],
)
def test_a_search_by_what_reviewers_know(admin, maker, judged, query, found):
    answer = admin.get(f"/v1/bundles?{query}".replace("&model=&", "&model=none"))
    assert bool(answer.json["items"]) is found
    if found:
        (one,) = answer.json["items"]
        assert (one["digest"], one["owner"], one["ticket"]) == (judged, "olga", "CHG/7")
        assert one["verdicts"] == {"lab": "passed", "prod": "failed"}
        assert (one["model"], one["version"], one["experiment"]) == (one["model"], "1", "credit")


@pytest.fixture(scope="module")
def judged(admin, maker) -> str:
    """Evidence of olga's model version, allowed into the lab and not into production."""
    tags = {"evidence.owner": "olga", "evidence.ticket": "CHG/7", "colour": "grün & blau"}
    model = maker.new_name("judged")
    maker.version(model, maker.run(tags=tags))
    digest = admin.capture(model=model, version="1").json["digest"]
    for environment in ("lab", "prod"):
        admin.get(f"/v1/models/{model}/versions/1/decision?environment={environment}")
    return digest


def test_a_cursor_of_another_search_is_refused(admin, captured):
    cursor = admin.get("/v1/bundles?limit=1").json["next"]
    assert admin.get(f"/v1/bundles?limit=2&cursor={cursor}").status_code == 200
    for other in ("model=credit", "owner=jane", "since=2026-01-01T00:00:00Z"):
        refused = admin.get(f"/v1/bundles?{other}&cursor={cursor}")
        assert (refused.status_code, refused.json["code"]) == (422, "bad-input")
        assert "cursor" in refused.json["detail"] and refused.json["mend"]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=1001",
        "limit=99999999999999999999",
        "limit=many",
        "cursor=0",
        "cursor=x",
        "cursor=-1",
        "cursor=" + "9" * 19,
        "run_id=",
        "model=" + "x" * 257,
        "modle=credit",
        "experiment=credit",
        "version=1",
        "environment=prod",
        "tag=novalue",
        "verdict=perhaps",
        "since=yesterday",
        "since=2026-01-01",
        "since=2026-01-01T00:00:00",
        "until=2026-13-01T00:00:00Z",
        "since=0001-01-01T00:00:00%2B23:00",
    ],
)
def test_a_search_that_is_not_as_described_is_refused(admin, query):
    answer = admin.get(f"/v1/bundles?{query}")
    assert (answer.status_code, answer.json["code"]) == (422, "bad-input")
    assert query.partition("=")[0] in answer.json["detail"]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/runs/a%00b/evidence",
        "/v1/runs/a%0Ab/evidence",
        "/v1/bundles/%1B",
        "/v1/models/credit/aliases/x%0D/evidence",
        "/v1/bundles?model=%00",
        "/v1/bundles?model=credit%0A",
        "/livez?%00=1",
    ],
)
def test_control_characters_in_a_path_or_query_are_refused(admin, path):
    assert admin.get(path).status_code == 400


def test_a_method_that_is_not_there_is_answered_with_those_that_are(admin):
    answer = admin.open("DELETE", "/v1/bundles")
    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]


def test_evidence_outlives_its_run_and_still_verifies(admin, maker, trusted):
    run_id = maker.run()
    digest = admin.capture(run_id=run_id).json["digest"]
    maker.client.delete_run(run_id)
    kept = admin.get(f"/v1/runs/{run_id}/evidence")
    assert (kept.status_code, kept.json["digest"]) == (200, digest)
    assert verify_bundle(kept.data, trusted).passed


def test_evidence_outlives_its_model_version(admin, maker, trusted):
    version = maker.version("retired", maker.run())
    digest = admin.capture(model="retired", version=version).json["digest"]
    maker.client.delete_registered_model("retired")
    kept = admin.get(f"/v1/models/retired/versions/{version}/evidence")
    assert kept.json["digest"] == digest
    assert verify_bundle(kept.data, trusted).passed


@pytest.mark.parametrize("by", ["digest", "run", "version"])
def test_evidence_is_served_without_asking_the_store(service, tokens, paths, by):
    reader = Client(service.on_store(Untouchable()), tokens.reader)
    assert reader.get(paths[by]).status_code == 200


@pytest.mark.parametrize(
    ("error", "status"), [(StoreUnavailable("away"), 503), (StoreRefused("no entry"), 502)]
)
def test_evidence_by_alias_says_that_the_store_is_away(service, tokens, paths, error, status):
    answer = Client(service.on_store(Away(error)), tokens.reader).get(paths["alias"])
    assert (answer.status_code, answer.json["code"]) == (status, error.code)
    assert ("Retry-After" in answer.headers) == (status == 503)


def test_the_record_stands_in_the_answer_byte_for_byte(admin, service, captured):
    kept = service.evidence.capturing.bundles.get(captured.good)
    served = admin.get(f"/v1/bundles/{captured.good}").data
    assert kept.body in served
    assert json.loads(served)["digest"] == captured.good
