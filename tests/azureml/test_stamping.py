"""Runs in a workspace, each logged by a program of its own, and what they are stamped with."""

from __future__ import annotations

import json

from mlflow_evidence_plugin import tags

from .answers import fail
from .conftest import NEEDS_AZUREML, job
from .direct import bare_run, stored_run
from .names import SHORT_SCOPE

pytestmark = NEEDS_AZUREML

WHO = {"EVIDENCE_OWNER": "jo@example.org", "EVIDENCE_TICKET": "CHG-7"}
TRAIN = """
    import mlflow
    with mlflow.start_run() as run:
        mlflow.log_metric("auc", 0.9)
        mlflow.log_param("depth", 3)
        mlflow.log_text("# fine", "report.md")
"""
REPORTED = TRAIN + "    report(run.info.run_id)"


def test_fluent_nested_and_client_created_runs_are_stamped(run, workspace):
    workspace.asked.clear()
    script = """
    import mlflow
    with mlflow.start_run() as outer:
        with mlflow.start_run(nested=True) as inner:
            mlflow.log_metric("auc", 0.9)
    made = mlflow.MlflowClient().create_run("0", tags={"evidence.team": "code"})
    report(*[one.info.run_id for one in (outer, inner, made)])
    """
    done = run(script, {**WHO, "EVIDENCE_TEAM": "variable"})
    for found in (one["tags"] for one in done.runs):
        assert found[tags.STAMPED_BY] == "create"
        assert found[tags.AZUREML_WORKSPACE] == SHORT_SCOPE
        assert found["evidence.owner"] == "jo@example.org"
        assert tags.AZUREML_JOB not in found
    assert [one["tags"]["evidence.team"] for one in done.runs] == ["variable"] * 2 + ["code"]
    assert done.warnings == []
    headers = {one.headers.get("X-Mlflow-Evidence") for one in workspace.asked[1:]}
    assert "owner=jo%40example.org&team=variable&ticket=CHG-7" in headers


def test_a_job_is_stamped_as_resumed_and_stays_running(run, workspace):
    run_id = bare_run(workspace)
    workspace.asked.clear()
    env = {**job(workspace, run_id), **WHO}
    done = run(TRAIN, env)
    assert (done.code, done.warnings) == (0, []), done.err
    found = stored_run(workspace, run_id)
    assert found["info"]["status"] == "RUNNING"  # the platform ends it
    stamped = {tag["key"]: tag["value"] for tag in found["data"]["tags"]}
    assert stamped[tags.STAMPED_BY] == "resume"
    assert stamped[tags.AZUREML_WORKSPACE] == SHORT_SCOPE
    assert stamped[tags.AZUREML_JOB] == f"https://ml.azure.com/runs/{run_id}?wsid={SHORT_SCOPE}"
    assert stamped["evidence.ticket"] == "CHG-7"
    assert_no_credential(workspace, env)


def test_a_job_whose_token_must_be_refreshed_is_stamped(run, workspace):
    run_id = bare_run(workspace)
    env = {**job(workspace, run_id), "MLFLOW_TRACKING_TOKEN": workspace.token(lifetime=60)}
    done = run(TRAIN, {**env, **WHO})
    assert (done.code, done.warnings) == (0, []), done.err
    assert any(one.path.endswith("/token") and run_id in one.path for one in workspace.asked)
    stamped = {tag["key"] for tag in stored_run(workspace, run_id)["data"]["tags"]}
    assert tags.AZUREML_JOB in stamped


def test_what_fits_of_the_tags_goes_by_importance(run, workspace):
    run_id = bare_run(workspace, 45)
    done = run(TRAIN, {**job(workspace, run_id), **WHO})
    assert done.code == 0, done.err
    found = stored_run(workspace, run_id)["data"]
    names = {tag["key"] for tag in found["tags"]}
    assert names & set(tags.ORDER) == {tags.SCHEMA, tags.STAMPED_BY, "evidence.owner"}
    assert len(names) == 48  # MLflow itself has need of some later
    assert len(done.warnings) == 1
    assert "fewer tags" in done.warnings[0]
    assert [one["key"] for one in found["metrics"]] == ["auc"]


def test_a_run_without_room_goes_on_and_one_with_enough_gets_all(run, workspace):
    full, crowded, roomy = (bare_run(workspace, count) for count in (50, 48, 20))
    script = f"""
    import mlflow
    for run_id in {[full, crowded, roomy]}:
        with mlflow.start_run(run_id=run_id):
            mlflow.log_metric("auc", 0.9)
    report(*{[full, crowded, roomy]})
    """
    done = run(script, WHO)
    stamped = [set(one["tags"]) & set(tags.ORDER) for one in done.runs]
    assert stamped[:2] == [set(), set()]
    assert {tags.SCHEMA, tags.AZUREML_WORKSPACE, tags.HOST} <= stamped[2]
    assert len(done.warnings) == 1


def test_new_runs_with_many_tags_of_their_own_lose_none_of_them(run):
    script = """
    import mlflow
    mine = {f"mine{i}": "x" for i in range(43)}
    with mlflow.start_run(tags=mine) as fluent:
        mlflow.set_tag("later", "fits")
    made = mlflow.MlflowClient().create_run("0", tags=mine)
    report(fluent.info.run_id, made.info.run_id)
    """
    done = run(script, WHO)
    for found in (one["tags"] for one in done.runs):
        assert len([name for name in found if name.startswith("mine")]) == 43
        assert {tags.SCHEMA, tags.STAMPED_BY} <= set(found)
        assert tags.HOST not in found
    assert len(done.warnings) == 1


def test_models_of_the_client_are_stamped_should_a_workspace_come_to_have_them(
    run, workspace, monkeypatch
):
    monkeypatch.delitem(workspace._tracking._unsupported, "/mlflow/logged-models")
    script = """
    import json, mlflow
    client = mlflow.MlflowClient()
    many = {f"mine{i}": "x" for i in range(43)}
    both = ({"evidence.team": "code"}, many)
    made = [client.create_logged_model("0", tags=mine) for mine in both]
    print(json.dumps([client.get_logged_model(one.model_id).tags for one in made]))
    """
    done = run(script, {**WHO, "EVIDENCE_TEAM": "variable"})
    assert done.code == 0, done.err
    roomy, crowded = json.loads(done.out)
    assert (roomy["evidence.owner"], roomy["evidence.team"]) == ("jo@example.org", "code")
    assert (roomy[tags.STAMPED_BY], roomy[tags.AZUREML_WORKSPACE]) == ("create", SHORT_SCOPE)
    assert {tags.SCHEMA, tags.STAMPED_BY} <= set(crowded)
    assert len(crowded) == tags.AZUREML_TAGS_MAX - 2
    assert len(done.warnings) == 1


def test_a_workspace_that_refuses_our_tags_does_not_break_a_job(run, workspace):
    def refusing(request, forward):
        ours = b"evidence.schema" in request.get_data()
        return fail(400, "UserError", "no") if ours else forward()

    run_id = bare_run(workspace)
    workspace.meddle = refusing
    try:
        done = run(TRAIN, {**job(workspace, run_id), **WHO})
    finally:
        workspace.meddle = None
    assert done.code == 0, done.err
    assert len(done.warnings) == 1
    assert [m["key"] for m in stored_run(workspace, run_id)["data"]["metrics"]] == ["auc"]


def test_values_at_the_limits_are_kept_and_longer_ones_left_out(run):
    env = {"EVIDENCE_OWNER": "o" * 1000, "EVIDENCE_TEAM": "t" * 1001}
    done = run(REPORTED, env)
    (found,) = (one["tags"] for one in done.runs)
    assert found["evidence.owner"] == "o" * 1000
    assert "evidence.team" not in found
    assert len(done.warnings) == 1


def assert_no_credential(workspace, env):
    """None in the store's bytes, nor in a request but where the client authenticates itself."""
    from .workspace import MSI_SECRET

    named = ("MLFLOW_TRACKING_TOKEN", "AZUREML_RUN_TOKEN", "AZUREML_DATASETS")
    secrets = [env[name].encode() for name in named] + [MSI_SECRET.encode()]
    secrets.append(workspace.secret.encode())  # the signature of every token and blob address
    store = b"".join(path.read_bytes() for path in workspace.root.glob("mlflow.db*"))
    assert b"evidence.schema" in store
    assert workspace.asked
    for secret in secrets:
        assert secret not in store
        for one in workspace.asked:
            said = {k: v for k, v in one.headers.items() if k not in ("Authorization", "Secret")}
            assert secret not in one.body, one.path
            assert secret.decode() not in str(said), one.path
