"""Evidence in the format that is accepted."""

from __future__ import annotations

import json

import pytest

from mlflow_evidence_plugin.render.exhibit import predicate_type
from mlflow_evidence_plugin.render.formats import RENDERERS
from mlflow_evidence_plugin.statements import RELEASE_EVIDENCE
from tests.browser.gallery import gallery, made_run, made_version
from tests.contract.checked import Client

FORMATS = [one.media_type for one in RENDERERS]
OTHERS = [kind for kind in FORMATS if kind != "application/json"]


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    made = gallery(tmp_path_factory.mktemp("negotiation"))
    made.digest = made.capture(made_version("6"))
    made.shelf.aliases["tumour", "production"] = "6"
    made.judge("tumour", "6", "lab")
    return made


@pytest.fixture
def get(shown):
    client = Client(shown.app, shown.token)

    def ask(path="", accept=None, **headers):
        told = {"Accept": accept} if accept is not None else {}
        return client.get(path or f"/v1/bundles/{shown.digest}", headers={**told, **headers})

    return ask


PATHS = [
    "/v1/bundles/{digest}",
    "/v1/runs/{run}/evidence",
    "/v1/models/tumour/versions/6/evidence",
    "/v1/models/tumour/aliases/production/evidence",
]


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.split("/")[-2])
def test_every_format_is_served_everywhere(shown, get, path, kind):
    if "{run}" in path:
        shown.capture(made_run())
    answer = get(path.format(digest=shown.digest, run=made_run().run_id), kind)
    assert (answer.status_code, answer.mimetype) == (200, kind)
    assert answer.headers["Vary"] == "Accept"
    assert "private" in answer.headers["Cache-Control"]


@pytest.mark.parametrize(
    "accept", [None, "", "*/*", "application/json", "application/*", "*/*;q=0.1"]
)
def test_json_is_what_is_served_unless_another_is_asked_for(shown, get, accept):
    answer = get(accept=accept)
    assert answer.mimetype == "application/json"
    kept = shown.service.evidence.capturing.bundles.get(shown.digest)
    assert answer.data == kept.document()


def test_json_is_served_without_being_parsed(shown, get, monkeypatch):
    def parsed(*_):
        raise AssertionError("parsed")

    token = shown.token
    monkeypatch.setattr("mlflow_evidence_plugin.render.exhibit.loads", parsed)
    app = shown.app
    answer = app.test_client().get(
        f"/v1/bundles/{shown.digest}", headers={"Authorization": f"Bearer {token}"}
    )
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html"),
        ("text/markdown, application/json;q=0.5", "text/markdown"),
        ("text/markdown;q=0.3, application/json;q=0.5", "application/json"),
        ("text/*", "text/markdown"),
        ("text/html, text/markdown", "text/markdown"),
        ("image/png, text/html;q=0.1", "text/html"),
        ("nonsense, text/html", "text/html"),
    ],
)
def test_the_best_that_is_accepted_is_served(get, accept, kind):
    assert get(accept=accept).mimetype == kind


@pytest.mark.parametrize(
    "accept", ["image/png", "application/json;q=0", "text/plain", "application/pdf, image/*"]
)
def test_what_nobody_serves_is_answered_with_what_there_is(get, accept):
    answer = get(accept=accept)
    assert (answer.status_code, answer.json["code"]) == (406, "not-acceptable")
    assert all(kind in answer.json["detail"] for kind in FORMATS)


def test_what_is_not_there_is_not_found_in_any_format(get):
    for kind in (*FORMATS, "image/png"):
        assert get("/v1/bundles/sha256:" + "0" * 64, kind).status_code == 404


def test_each_format_has_a_tag_of_its_own(get):
    assert len({get(accept=kind).headers["ETag"] for kind in FORMATS}) == len(FORMATS)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("path", PATHS[2:], ids=["version", "alias"])
def test_unchanged_evidence_is_not_sent_again_in_any_format(get, path, kind):
    first = get(path, kind)
    again = get(path, kind, **{"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert first.headers["ETag"].startswith("W/") == ("aliases" in path)
    other = next(one for one in FORMATS if one != kind)
    assert get(path, other, **{"If-None-Match": first.headers["ETag"]}).status_code == 200


@pytest.mark.parametrize("kind", ["text/html", "text/markdown"])
def test_a_new_decision_changes_what_people_read(shown, get, kind):
    model = f"judged as {kind[5:]}"
    version = made_version("61", name=model)
    digest = shown.capture(version)
    path = f"/v1/bundles/{digest}"
    before = get(path, kind)
    shown.judge(model, "61", "lab")
    after = get(path, kind, **{"If-None-Match": before.headers["ETag"]})
    assert after.status_code == 200
    assert "Allowed" in after.text
    assert "Allowed" not in before.text


def test_html_from_the_api_can_run_nothing(get):
    headers = get(accept="text/html").headers
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_the_envelope_alone_is_the_one_in_the_bundle(get):
    bundle = get().json
    (release,) = (one for one in bundle["statements"] if predicate_type(one) == RELEASE_EVIDENCE)
    assert get(accept="application/vnd.dsse.envelope.v1+json").json == release
    lines = get(accept="application/vnd.in-toto.bundle").text.splitlines()
    assert [json.loads(line) for line in lines] == bundle["statements"]
