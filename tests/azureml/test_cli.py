"""The command line on a workspace: each command in a process of its own."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from .conftest import NEEDS_AZUREML, ended
from .names import GROUP, NAME, SCOPE
from .world import FILES, MODEL, MODEL_FILES

pytestmark = NEEDS_AZUREML

PROGRAM = Path(sys.executable).with_name("mlflow-evidence")


@pytest.fixture(scope="module")
def said(world, workspace, client_env, tmp_path_factory) -> SimpleNamespace:
    """What each command left; all of them run side by side, since each takes seconds to start."""
    work = tmp_path_factory.mktemp("cli")
    base = {**client_env, "EVIDENCE_SERVICE_HOME": str(work / "home")}
    workspace.asked.clear()

    def run(words):
        return ended([str(PROGRAM), *words, *(() if "-o" in words else ("-o", "json"))], work, base)

    commands = {
        "store": ["store", "show"],
        "list": ["run", "list", "--experiment", "credit"],
        "show": ["run", "show", world.running],
        "download": ["run", "download", world.finished, "--dest", str(work / "all")],
        "folder": ["run", "download", world.finished, "--path", "model", "-p", str(work / "part")],
        "models": ["model", "list", "--name", MODEL],
        "model": ["model", "show", "--name", MODEL, "--alias", "champion"],
        "capture": ["capture", f"models/{MODEL}@champion"],
    }
    after = {"doctor": ["doctor"], "evidence": ["show", f"models/{MODEL}/2"]}
    done = {}
    with ThreadPoolExecutor(2) as pool:
        for some in (commands, after):
            done |= zip(some, pool.map(run, some.values()), strict=True)
    return SimpleNamespace(work=work, **done)


def document(done):
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_the_workspace_is_shown_as_az_shows_it(said, workspace):
    shown = document(said.store)
    assert shown["mlflow_tracking_uri"] == workspace.uri
    assert (shown["name"], shown["id"], shown["resource_group"]) == (NAME, SCOPE, GROUP)


def test_runs_are_listed_and_shown_with_their_status(said, world):
    status = {one["name"]: one["status"] for one in document(said.list)}
    assert status == {world.finished: "FINISHED", world.running: "RUNNING"}
    shown = document(said.show)
    assert (shown["status"], shown["experiment_name"]) == ("RUNNING", "credit")
    assert shown["tags"]["evidence.owner"] == "ana"


def test_artifacts_are_downloaded(said):
    assert {one["path"] for one in document(said.download)["files"]} == set(FILES)
    for path, text in FILES.items():
        assert (said.work / "all" / path).read_text("utf-8") == text


def test_a_folder_is_downloaded_without_the_one_that_begins_alike(said):
    found = {one["path"] for one in document(said.folder)["files"]}
    assert found == {f"model/{name}" for name in MODEL_FILES}


def test_models_are_listed_and_shown_by_alias(said, world):
    assert [one["version"] for one in document(said.models)] == ["4", "3", "2", "1"]
    shown = document(said.model)
    assert (shown["version"], shown["job_name"]) == ("2", world.finished)


def test_a_version_is_captured_and_shown_again(said):
    captured, shown = document(said.capture), document(said.evidence)
    assert captured["record"]["gaps"] == []
    assert set(captured["record"]["model_files"]["facts"]) == MODEL_FILES
    assert shown["record"] == captured["record"]


def test_doctor_names_client_identity_and_workspace(said, workspace):
    checks = {one["name"]: one for one in document(said.doctor)}
    for name in ("azure ml client", "azure identity", "tracking store"):
        assert checks[name]["state"] == "ok", checks[name]
    assert "azureml-mlflow 1." in checks["azure ml client"]["found"]
    assert workspace.uri in checks["tracking store"]["found"]


def test_no_command_leaves_a_credential_behind(said, workspace):
    from .workspace import MSI_SECRET

    files = [path for path in said.work.rglob("*") if path.is_file()]
    assert any(path.name == "evidence.db" for path in files)
    for done in vars(said).values():
        for text in (done.out, done.err) if hasattr(done, "out") else ():
            assert workspace.secret not in text
            assert MSI_SECRET not in text
    for path in files:
        assert workspace.secret.encode() not in path.read_bytes(), path
        assert MSI_SECRET.encode() not in path.read_bytes(), path
