"""Write-back: links on the model version, which change no evidence."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from mlflow_evidence_plugin.collect import Writer
from mlflow_evidence_plugin.errors import EvidenceError, NotFound, StoreUnavailable
from mlflow_evidence_plugin.service.linking import Linking
from mlflow_evidence_plugin.settings import Settings
from mlflow_evidence_plugin.wiring import linking
from tests.consumers.conftest import PUBLIC_URL


@pytest.fixture
def tags(maker):
    def of(release):
        return dict(maker.client.get_model_version(release.model, release.version).tags)

    return of


@pytest.fixture
def writing(service, teller):
    """What tells MLflow alone, of what comes from here on."""
    capturing = service.evidence.capturing
    found = service.evidence.deciding.decisions.after(0, "", 1_000_000)
    last = found[-1][0] if found else 0

    def made(url=PUBLIC_URL, store=capturing.store):
        telling = teller("version = 1", linking=Linking(store, capturing.bundles, url))
        telling.seq = last
        return telling

    return made


def test_a_version_is_linked_to_its_evidence(writing, released, tags):
    release = released("CHG1")
    writing().catch_up()
    found = tags(release)
    assert found["evidence.link.record"] == f"{PUBLIC_URL}/bundles/{release.digest}"
    assert found["evidence.link.run"] == release.run_id
    assert found["evidence.link.decision.prod"].startswith("passed sha256:")
    assert set(found) == {
        "evidence.link.record",
        "evidence.link.run",
        "evidence.link.decision.prod",
        "evidence.link.decision.lab",
        "evidence.link.decision.first",
    }


def test_a_run_with_evidence_of_its_own_is_linked_to(writing, released, tags, admin):
    release = released("CHG1")
    admin.capture(run_id=release.run_id)
    writing().catch_up()
    assert tags(release)["evidence.link.run"] == f"{PUBLIC_URL}/runs/{release.run_id}"


def test_without_an_address_the_links_are_names(writing, released, tags):
    release = released("CHG1")
    writing(None).catch_up()
    assert tags(release)["evidence.link.record"] == release.digest
    assert tags(release)["evidence.link.run"] == release.run_id


def test_a_link_changes_no_evidence_and_is_no_drift(writing, released, tags, admin):
    release = released("CHG1")
    writing().catch_up()
    assert tags(release)
    again = admin.capture(model=release.model, version=release.version)
    assert again.json["digest"] == release.digest
    drift = admin.get(f"/v1/bundles/{release.digest}/drift").json
    assert (drift["drifted"], drift["findings"]) == (False, [])
    listed = admin.get(f"/v1/inventory?model={release.model}").json["items"]
    assert [one["stale"] for one in listed if one["model"]] == [None]


def test_tags_of_others_are_left_as_they_are(writing, released, tags, maker):
    release = released("CHG1")
    maker.client.set_model_version_tag(release.model, release.version, "reviewed", "yes")
    writing().catch_up()
    assert tags(release)["reviewed"] == "yes"


def test_what_is_so_already_is_not_written_again(writing, released, service, monkeypatch):
    release = released("CHG1")
    writing().catch_up()
    client = service.evidence.capturing.store.client
    written = []
    monkeypatch.setattr(client, "set_model_version_tag", lambda *args: written.append(args))
    writing().catch_up()
    assert written == []
    assert release


def test_a_version_that_was_made_again_gets_no_foreign_links(writing, released, tags, maker):
    release = released("CHG1")
    maker.client.delete_registered_model_alias(release.model, "production")
    maker.client.delete_registered_model(release.model)
    assert maker.version(release.model, release.run_id) == release.version
    writing().catch_up()
    assert tags(release) == {}


def test_a_store_that_is_away_hinders_nobody(writing, released, caplog):
    from mlflow_evidence_plugin.collect import MlflowStore, Roots

    release = released("CHG1")
    away = MlflowStore("http://127.0.0.1:1", None, Roots(()), 1 << 20)
    client = SimpleNamespace(get_model_version=_away)
    away.__dict__["client"] = client
    writing(store=away).catch_up()
    assert f"{release.subject} has no link to its evidence" in caplog.text


def _away(*_: object) -> None:
    raise StoreUnavailable("the store is away", "start it")


def test_an_unknown_version_is_said(service):
    writer = Writer(service.evidence.capturing.store)
    with pytest.raises(NotFound):
        writer.link(("credit", "999"), None, {"evidence.link.x": "y"})


def test_it_is_off_unless_it_is_switched_on(service, monkeypatch):
    env = {
        "EVIDENCE_SERVICE_HOME": "/nowhere",
        "EVIDENCE_SERVICE_TRACKING_URI": "http://127.0.0.1:1",
    }
    assert linking(Settings.read(env), service.evidence) is None
    on = Settings.read(env | {"EVIDENCE_SERVICE_WRITE_BACK": "true"})
    assert linking(on, service.evidence) is not None


@pytest.mark.parametrize(
    "said", ["ftp://x", "evidence.example.org", "https://u:p@x", "https://x/?a=b", "https://x/#a"]
)
def test_an_address_of_ours_that_is_none_is_refused(said):
    with pytest.raises(EvidenceError, match="PUBLIC_URL"):
        Settings.read({"EVIDENCE_SERVICE_PUBLIC_URL": said})


def test_an_address_of_ours_ends_without_a_slash():
    found = Settings.read({"EVIDENCE_SERVICE_PUBLIC_URL": "https://x.example.org/evidence/"})
    assert found.public_url == "https://x.example.org/evidence"
    assert Settings.read({}).public_url is None
