"""A service that cannot start says why and how to mend it, and breaks nothing."""

from __future__ import annotations

import stat

import pytest

from mlflow_evidence_plugin.errors import (
    BadConfig,
    BadPolicy,
    EvidenceError,
    SchemaTooNew,
    StorageUnavailable,
)
from mlflow_evidence_plugin.settings import Settings
from mlflow_evidence_plugin.wiring import build, open_tokens, prepare
from tests.contract.checked import Client

STORE = "http://127.0.0.1:9"
POLICIES = {
    "not-yaml": b"environments: [",
    "binary": b"\x00\xff\xfe",
    "empty": b"",
    "no-rules": b"version: 1\nenvironments: {prod: {rules: []}}\n",
    "unknown-rule": b"version: 1\nenvironments: {prod: {rules: [{rule: be-nice}]}}\n",
    "misspelt": b"version: 1\nenvironments: {prod: {rules: [{rule: required-tags, tag: a}]}}\n",
    "twice": b"version: 1\nversion: 1\nenvironments: {prod: {rules: [{rule: tracked-run}]}}\n",
    "huge": b"#" * 300_000,
}


@pytest.fixture
def settings(tmp_path):
    def made(**env):
        said = {"HOME": str(tmp_path / "home"), "TRACKING_URI": STORE, **env}
        return Settings.read({f"EVIDENCE_SERVICE_{k}": v for k, v in said.items()})

    return made


def test_no_tracking_store_is_said(tmp_path):
    env = {"EVIDENCE_SERVICE_HOME": str(tmp_path / "home")}
    with pytest.raises(BadConfig, match="no tracking store") as refused:
        build(Settings.read(env))
    assert "EVIDENCE_SERVICE_TRACKING_URI" in refused.value.mend


@pytest.mark.parametrize("text", POLICIES.values(), ids=POLICIES)
def test_a_broken_policy_file_is_refused_at_the_start(settings, tmp_path, text):
    (tmp_path / "policy.yaml").write_bytes(text)
    known = settings(POLICY_FILE=str(tmp_path / "policy.yaml"))
    prepare(known)
    with pytest.raises(BadPolicy) as refused:
        build(known)
    assert "polic" in refused.value.detail


def test_a_missing_policy_file_is_refused_at_the_start(settings, tmp_path):
    known = settings(POLICY_FILE=str(tmp_path / "nothing.yaml"))
    prepare(known)
    with pytest.raises(BadConfig, match=r"nothing\.yaml"):
        build(known)


@pytest.mark.parametrize("use", [prepare, open_tokens])
def test_a_home_that_is_a_file_is_refused(settings, tmp_path, use):
    (tmp_path / "home").write_text("in the way")
    with pytest.raises(BadConfig) as refused:
        use(settings())
    assert "EVIDENCE_SERVICE_HOME" in refused.value.mend
    assert (tmp_path / "home").read_text() == "in the way"


def test_a_home_below_a_file_is_refused(settings, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BadConfig):
        prepare(settings(HOME=str(tmp_path / "file" / "home")))


def test_a_key_that_is_open_to_others_is_refused(settings):
    prepare(settings())
    settings().signing_key.chmod(0o644)
    for use in (prepare, build):
        with pytest.raises(BadConfig, match="open to others") as refused:
            use(settings())
        assert "chmod 600" in refused.value.mend


@pytest.mark.parametrize(
    "pem",
    [b"", b"rubbish", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"],
    ids=["empty", "rubbish", "hollow"],
)
def test_a_key_that_is_rubbish_is_refused_and_left_alone(settings, pem):
    prepare(settings())
    settings().signing_key.write_bytes(pem)
    with pytest.raises(BadConfig, match="not an unencrypted PEM private key"):
        prepare(settings())
    assert settings().signing_key.read_bytes() == pem


def test_a_configured_key_that_is_missing_is_refused_and_not_made(settings, tmp_path):
    with pytest.raises(BadConfig, match="cannot be read"):
        prepare(settings(SIGNING_KEY=str(tmp_path / "mine.pem")))
    assert not (tmp_path / "mine.pem").exists()


def test_secrets_are_readable_by_their_owner_only(settings):
    prepare(settings())
    home = settings().home
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    for name in ("signing-key.pem", "token"):
        assert stat.S_IMODE((home / name).stat().st_mode) == 0o600


def test_a_second_start_keeps_key_and_token(settings):
    prepare(settings())
    before = [(settings().home / n).read_bytes() for n in ("signing-key.pem", "token")]
    prepare(settings())
    assert [(settings().home / n).read_bytes() for n in ("signing-key.pem", "token")] == before


def test_a_database_of_a_newer_version_is_refused(settings):
    prepare(settings())
    database = build(settings()).capturing.database
    with database.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    for use in (prepare, build):
        with pytest.raises(SchemaTooNew, match="9999"):
            use(settings())


@pytest.mark.parametrize("use", [prepare, build, open_tokens])
def test_a_database_that_is_a_folder_is_said_to_be_unusable(settings, tmp_path, use):
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageUnavailable):
        use(settings(DATABASE_URL=f"sqlite:///{tmp_path / 'folder'}"))


@pytest.mark.parametrize("use", [prepare, build])
def test_a_database_that_is_rubbish_is_said_to_be_unusable(settings, tmp_path, use):
    (tmp_path / "rubbish.db").write_bytes(b"rubbish" * 1000)
    with pytest.raises(StorageUnavailable):
        use(settings(DATABASE_URL=f"sqlite:///{tmp_path / 'rubbish.db'}"))


@pytest.mark.parametrize("url", ["nonsense", "oracle9://x"])
def test_a_database_url_that_is_none_is_refused_without_being_shown(settings, url):
    with pytest.raises(EvidenceError) as refused:
        prepare(settings(DATABASE_URL=url))
    assert url not in refused.value.detail


def test_settings_do_not_show_passwords():
    url = "postgresql://service:hunter22@db/evidence"
    said = {"DATABASE_URL": url, "TRACKING_URI": "https://me:hunter33@mlflow.example.org/x"}
    known = Settings.read({f"EVIDENCE_SERVICE_{k}": v for k, v in said.items()})
    assert "hunter" not in repr(known)
    assert known.store_id == "https://mlflow.example.org/x"


def test_a_database_that_goes_away_is_told_and_not_ready(settings):
    from api.app import create_app

    prepare(settings())
    evidence = build(settings())
    client = Client(create_app(evidence), (settings().home / "token").read_text().strip())
    assert client.get("/readyz").status_code == 200
    evidence.capturing.database.dispose()
    for file in settings().home.glob("evidence.db*"):
        file.unlink()
    (settings().home / "evidence.db").mkdir()
    for path in ("/readyz", "/v1/bundles", "/v1/runs/r/evidence"):
        answer = client.get(path)
        assert (answer.status_code, answer.json["code"]) == (503, "storage-unavailable")
        assert answer.headers["Retry-After"]
    assert client.get("/livez").status_code == 200
