"""Stamping afterwards, the environment artifact and `doctor` in a workspace."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from mlflow_evidence_plugin import tags

from .conftest import NEEDS_AZUREML, ended, job
from .direct import bare_run, stored_run
from .names import SHORT_SCOPE

pytestmark = NEEDS_AZUREML

PROGRAM = Path(sys.executable).with_name("mlflow-evidence")


@pytest.fixture
def cli(tmp_path, client_env):
    def run(*words, **env):
        return ended([str(PROGRAM), *words, "-o", "json"], tmp_path, {**client_env, **env})

    return run


def tags_of(workspace, run_id):
    return {tag["key"]: tag["value"] for tag in stored_run(workspace, run_id)["data"]["tags"]}


def test_bare_runs_get_the_workspace_and_their_page_and_what_fits(cli, workspace):
    bare, crowded, full = (bare_run(workspace, count) for count in (1, 45, 50))
    words = ("stamp", "--run", bare, "--run", crowded, "--run", full, "--set", "owner=jo")
    looked = cli(*words)
    assert looked.code == 0, looked.err
    would = {one["run_id"]: one["would_stamp"] for one in json.loads(looked.out)["items"]}
    assert tags.SCHEMA not in tags_of(workspace, bare)
    done = cli(*words, "--apply")
    assert done.code == 1, done.err
    (skipped,) = json.loads(done.out)["skipped"]
    assert (skipped["run_id"], skipped["code"]) == (full, "conflict")
    stamped = {one["run_id"]: one["stamped"] for one in json.loads(done.out)["items"]}
    assert stamped == {run_id: would[run_id] for run_id in (bare, crowded)}
    found = tags_of(workspace, bare)
    assert found[tags.STAMPED_BY] == "backfill"
    assert found["evidence.owner"] == "jo"
    assert found[tags.AZUREML_WORKSPACE] == SHORT_SCOPE
    assert found[tags.AZUREML_JOB] == f"https://ml.azure.com/runs/{bare}?wsid={SHORT_SCOPE}"
    assert set(stamped[crowded]) == {tags.SCHEMA, tags.STAMPED_BY, "evidence.owner"}
    assert len(tags_of(workspace, crowded)) == 48
    assert would[full] == {} and len(tags_of(workspace, full)) == 50


def test_all_bare_runs_of_an_experiment_are_found_and_stamped_once(cli, workspace):
    run_id = bare_run(workspace)
    words = ("stamp", "--experiment", "Default", "--apply")
    done = cli(*words)
    assert done.code in (0, 1), done.err  # 1: another test's run has no room
    assert run_id in {one["run_id"] for one in json.loads(done.out)["items"]}
    again = json.loads(cli(*words).out)["items"]
    assert run_id not in {one["run_id"] for one in again}


def test_a_job_logs_its_environment_and_a_refusal_is_silent(run, workspace):
    run_id = bare_run(workspace)
    script = """
    import mlflow, os, time
    with mlflow.start_run() as run:
        mlflow.log_metric("auc", 0.9)
    client = mlflow.MlflowClient()
    for _ in range(400):
        if any(one.path == "evidence" for one in client.list_artifacts(run.info.run_id)):
            break
        time.sleep(0.05)
    else:
        raise SystemExit("no artifact")
    """
    env = {**job(workspace, run_id), "EVIDENCE_LOG_ENVIRONMENT": "1"}
    for _ in range(2):  # the second time the name is taken
        done = run(script, env)
        assert (done.code, done.warnings) == (0, []), done.err
    digest = tags_of(workspace, run_id)[tags.ENV_DIGEST].removeprefix("sha256:")
    asked = [
        one for one in workspace.asked if f"environment-{digest}" in str(one.path) + str(one.body)
    ]
    assert asked


def test_doctor_says_that_a_job_is_stamped_and_where_its_values_come_from(cli, workspace):
    run_id = bare_run(workspace)
    done = cli("doctor", **job(workspace, run_id), EVIDENCE_OWNER="jo")
    checks = {one["name"]: one for one in json.loads(done.out)}
    assert done.code == 0, done.out
    for name in ("fluent runs", "client runs", "resumed runs", "headers", "azure ml job"):
        assert checks[name]["state"] == "ok", checks[name]
    assert checks["client runs"]["found"].startswith("stamped: create_run of ")
    assert f"{run_id} is resumed here" in checks["azure ml job"]["found"]
    assert checks["azureml.job"]["found"].endswith("(from Azure ML's variables)")
    assert checks["headers"]["found"] == "X-Mlflow-Evidence: owner=jo"
    assert workspace.secret not in done.out + done.err
    assert tags.SCHEMA not in tags_of(workspace, run_id)


def test_doctor_says_when_the_training_would_not_resume_the_jobs_run(cli, workspace):
    run_id = bare_run(workspace)
    done = cli("doctor", **{**job(workspace, run_id), "MLFLOW_RUN_ID": None})
    checks = {one["name"]: one for one in json.loads(done.out)}
    assert (done.code, checks["azure ml job"]["state"]) == (1, "fail")
    assert checks["azure ml job"]["mend"]


def test_doctor_without_an_identity_still_says_what_the_paths_are(cli, workspace):
    done = cli("doctor", MSI_ENDPOINT=None, MSI_SECRET=None)
    checks = {one["name"]: one for one in json.loads(done.out)}
    assert done.code == 1
    assert checks["fluent runs"]["state"] == "ok"
    assert checks["client runs"]["state"] in ("ok", "skipped"), checks["client runs"]
    assert "Traceback" not in done.err
