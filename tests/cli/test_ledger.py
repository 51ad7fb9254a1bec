"""`ledger monitor`, `archive` and `verify` as an auditor uses them, against a running service."""

from __future__ import annotations

import json
import zipfile

import pytest
from sqlalchemy import delete, update

from mlflow_evidence_plugin.storage import tables
from tests.cli.test_cli import cli
from tests.contract.checked import Client


@pytest.fixture
def auditor(tmp_path, serving):
    """A service with one version's evidence, and what an auditor has of it."""
    from tests.browser.gallery import gallery, made_version

    made = gallery(tmp_path)
    made.capture(made_version("6"))
    made.judge("tumour", "6", "lab")
    env = {"EVIDENCE_URL": serving(made.app), "EVIDENCE_TOKEN": made.token}
    trust = tmp_path / "trust.json"
    trust.write_bytes(Client(made.app, None).get("/v1/trust").data)
    return made, env, trust


def monitor(env, trust, state):
    return cli("ledger", "monitor", "--trust", str(trust), "--state", str(state), **env)


def test_a_log_that_grows_is_proven_to_and_its_head_is_kept(auditor, tmp_path):
    from tests.browser.gallery import made_run

    made, env, trust = auditor
    state = tmp_path / "head"
    first = monitor(env, trust, state)
    assert first.returncode == 0, first.stderr
    made.capture(made_run())
    second = monitor(env, trust, state)
    assert second.returncode == 0, second.stderr
    before, after = json.loads(first.stdout), json.loads(second.stdout)
    assert (before["before"], after["before"]) == (0, before["size"])
    assert after["size"] > before["size"]
    assert state.read_text().split("\n")[1] == str(after["size"])


@pytest.mark.parametrize("way", ["rolled-back", "forked"])
def test_a_log_that_was_rewritten_is_found_and_the_kept_head_stays(auditor, tmp_path, way):
    made, env, trust = auditor
    state = tmp_path / "head"
    assert monitor(env, trust, state).returncode == 0
    kept = state.read_text()
    with made.service.evidence.capturing.database.writing() as connection:
        connection.execute(delete(tables.heads))
        if way == "forked":
            connection.execute(update(tables.nodes).values(hash=b"x" * 32))
        else:
            connection.execute(delete(tables.leaves).where(tables.leaves.c.place > 1))
    done = monitor(env, trust, state)
    assert done.returncode == 3, done.stdout
    assert state.read_text() == kept


def test_an_archive_is_saved_and_verified_from_file_folder_and_url(auditor, tmp_path):
    _, env, trust = auditor
    file, head = tmp_path / "a.zip", tmp_path / "head"
    assert monitor(env, trust, head).returncode == 0
    saved = cli("archive", "models/tumour/6", "--save", str(file), **env)
    assert saved.returncode == 0, saved.stderr
    insisting = ("--subject", "models/tumour/6", "--decision", "lab", "--witness", str(head))
    done = cli("verify", str(file), "--trust", str(trust), *insisting, "-o", "json")
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout)["completeness"] == "witnessed"
    with zipfile.ZipFile(file) as opened:
        opened.extractall(tmp_path / "folder")
        digest = json.loads(opened.read("archive.json"))["record"]
    assert cli("verify", str(tmp_path / "folder"), "--trust", str(trust)).returncode == 0
    url = f"{env['EVIDENCE_URL']}/v1/bundles/{digest}"
    for one in (url, f"{url}/archive"):
        done = cli("verify", one, "--trust", str(trust), **env)
        assert done.returncode == 0, done.stderr
    for wrong in (("--subject", "models/tumour/7"), ("--decision", "prod")):
        assert cli("verify", str(file), "--trust", str(trust), *wrong).returncode == 3


def test_without_a_key_nothing_is_verified(auditor, tmp_path):
    _, env, _ = auditor
    file = tmp_path / "a.zip"
    assert cli("archive", "models/tumour/6", "--save", str(file), **env).returncode == 0
    done = cli("verify", str(file))
    assert done.returncode == 3
    assert "--trust" in done.stderr


def test_an_archive_that_breaks_off_leaves_no_file(auditor, tmp_path):
    _, env, _ = auditor
    file = tmp_path / "a.zip"
    assert cli("archive", "models/nobody/1", "--save", str(file), **env).returncode == 4
    assert not file.exists()
    assert not list(tmp_path.glob(".a.zip*"))
