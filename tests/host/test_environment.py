"""The environment artifact: beside the training, and never in its way."""

from __future__ import annotations

import hashlib
import json
import time

import pytest

from tests.faults.meddler import Answer, meddling

ON = {"EVIDENCE_LOG_ENVIRONMENT": "1"}
WAIT = """
    import json, time
    def logged(client, run_id, patience=20):
        for _ in range(patience * 20):
            if found := client.list_artifacts(run_id, "evidence"):
                (one,) = found
                return json.loads(client_load(one.path, run_id)), one.path
            time.sleep(0.05)
    def client_load(path, run_id):
        import mlflow
        return mlflow.artifacts.load_text(mlflow.get_run(run_id).info.artifact_uri + "/" + path)
"""
TRAIN = """
    import mlflow
    with mlflow.start_run() as run:
        mlflow.log_metric("auc", 0.9)
"""


@pytest.fixture(params=["sqlite", "http"])
def store(request):
    """Variables which choose the store."""
    if request.param == "sqlite":
        return {}
    return {"MLFLOW_TRACKING_URI": request.getfixturevalue("server")[0]}


def test_created_and_resumed_runs_get_it_and_it_is_what_their_digest_is_made_of(run, store):
    script = """
    import mlflow
    client = mlflow.MlflowClient()
    with mlflow.start_run() as fluent:
        made = client.create_run("0")
    for one in (fluent, made):
        document, path = logged(client, one.info.run_id)
        assert path == f"evidence/environment-{document['digest'][7:]}.json"
    report(fluent.info.run_id, made.info.run_id)
    print("DOCUMENT" + json.dumps(document))
    """
    done = run(WAIT + script, {**store, **ON, "SLURM_JOB_ID": "77", "SLURM_JWT": "x.y"})
    (line,) = [line for line in done.out.splitlines() if line.startswith("DOCUMENT")]
    document = json.loads(line.removeprefix("DOCUMENT"))
    text = "".join(f"{one}\n" for one in document["distributions"])
    digest = "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    assert [one["evidence.env.digest"] for one in done.tags] == [digest] * 2
    assert document["digest"] == digest
    assert document["slurm"] == {"job_id": "77"}
    assert done.warnings == []


def test_a_run_that_is_resumed_gets_it_too(run, store):
    bare = run(
        "    import os\n    os.environ['EVIDENCE_DISABLED'] = '1'\n" + TRAIN + "    print('ID' + "
        "run.info.run_id)\n",
        store,
    )
    run_id = next(line[2:] for line in bare.out.splitlines() if line.startswith("ID"))
    script = f"""
    import mlflow
    with mlflow.start_run(run_id="{run_id}"):
        assert logged(mlflow.MlflowClient(), "{run_id}")
    """
    assert run(WAIT + script, {**store, **ON}).code == 0


@pytest.mark.parametrize(
    "env", [{}, {"EVIDENCE_LOG_ENVIRONMENT": "0"}, {**ON, "EVIDENCE_DISABLED": "1"}]
)
def test_it_is_logged_only_where_it_is_asked_for(run, env):
    script = (
        TRAIN
        + "    time.sleep(1)\n    assert not logged(mlflow.MlflowClient(), run.info.run_id, 0)\n"
    )
    script += "    assert not mlflow.MlflowClient().list_artifacts(run.info.run_id)\n"
    script += "    import threading\n    assert threading.active_count() == 1\n"
    done = run(WAIT + script, env)
    assert done.code == 0, done.err


def test_every_run_of_many_threads_gets_its_own(run):
    script = """
    import mlflow
    from concurrent.futures import ThreadPoolExecutor
    client = mlflow.MlflowClient()
    with ThreadPoolExecutor(4) as pool:
        ids = list(pool.map(lambda _: client.create_run("0").info.run_id, range(12)))
    assert all(logged(client, one) for one in ids)
    """
    done = run(WAIT + script, ON)
    assert done.code == 0, done.err


def test_a_forked_worker_logs_its_own(run):
    script = """
    import os, mlflow
    with mlflow.start_run() as run:
        assert logged(mlflow.MlflowClient(), run.info.run_id)
    child = os.fork()
    if child == 0:
        with mlflow.start_run() as run:
            found = logged(mlflow.MlflowClient(), run.info.run_id)
        os._exit(0 if found else 1)
    assert os.waitpid(child, 0)[1] == 0
    """
    done = run(WAIT + script, ON)
    assert done.code == 0, done.err


def test_a_program_that_ends_at_once_is_not_held_up_and_says_nothing(run):
    for _ in range(3):
        done = run(TRAIN, ON)
        assert (done.code, done.err.strip()) == (0, ""), done.err


@pytest.mark.parametrize("status", [403, 500])
def test_a_store_that_refuses_it_is_not_worth_a_word(run, server, status):
    with meddling(server[0]) as meddler:
        tried = []

        def refuse(asked, forward):
            if "environment-" in asked:
                tried.append(asked)
                return Answer(status, b"{}")
            return forward()

        meddler.meddle = refuse
        env = {**ON, "MLFLOW_TRACKING_URI": meddler.url, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
        done = run(TRAIN + "    import time\n    time.sleep(2)\n    report(run.info.run_id)\n", env)
    assert done.tags and done.warnings == []
    assert tried


def test_a_store_that_hangs_delays_neither_the_training_nor_its_end(run, server):
    with meddling(server[0]) as meddler:
        tried = []

        def hang(asked, forward):
            if "environment-" in asked:
                tried.append(asked)
                time.sleep(90)
            return forward()

        meddler.meddle = hang
        script = TRAIN + "    import time\n    time.sleep(2)\n"
        done = run(script, {**ON, "MLFLOW_TRACKING_URI": meddler.url})
    assert tried
    assert (done.code, done.err.strip()) == (0, ""), done.err
    assert done.seconds < 60
