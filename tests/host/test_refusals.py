"""A store that refuses our tags, or has many already, never costs the run or its minutes."""

from __future__ import annotations

import json
import os

import pytest

from mlflow_evidence_plugin.context.patience import SECONDS

from .alike import bare_run
from .refusing import HANG, gateway

HOW = ("400", "403", "500", HANG)
RESUMES = """
import json, mlflow, os, time
seconds = {}
for how, run_id in json.loads(os.environ["RUNS"]).items():
    mlflow.set_tracking_uri(os.environ["GATEWAY"] + "/log-batch/" + how)
    began = time.monotonic()
    with mlflow.start_run(run_id=run_id):
        mlflow.log_metric("auc", 0.9)
    seconds[how] = time.monotonic() - began
    print(how, mlflow.get_run(run_id).info.status, flush=True)
with open("../seconds.json", "w") as file:
    json.dump(seconds, file)
"""
CREATES = """
import mlflow, os
for how in ("400", "403"):
    mlflow.set_tracking_uri(os.environ["GATEWAY"] + "/create/" + how)
    with mlflow.start_run(run_name=how, tags={"mine": "yes"}) as run:
        mlflow.log_metric("auc", 0.9)
    client = mlflow.MlflowClient()
    made = client.create_run("0", run_name=how, tags={"mine": "yes"})
    for run_id in (run.info.run_id, made.info.run_id):
        found = mlflow.get_run(run_id).data.tags
        print([name for name in found if name.startswith("evidence.")], found["mine"])
"""
BARE = "b" * 32


@pytest.fixture
def refusing(server):
    with gateway(server[0]) as url:
        yield url


@pytest.fixture
def bare(run, server):
    """Makes runs on the server which nobody stamps."""

    def make(count: int, tags: int = 0) -> list[str]:
        script = f"""
        import mlflow
        client = mlflow.MlflowClient()
        mine = {{f"mine.{{number}}": "x" for number in range({tags})}}
        for _ in range({count}):
            print(client.create_run("0", tags=mine).info.run_id)
        """
        done = run(script, {"MLFLOW_TRACKING_URI": server[0], "EVIDENCE_DISABLED": "1"})
        return done.out.split()

    return make


def test_tags_refused_at_a_resume(twice, refusing, bare):
    runs = dict(zip(HOW, bare(len(HOW)), strict=True))
    env = {"GATEWAY": refusing, "RUNS": json.dumps(runs), "EVIDENCE_OWNER": "jo"}
    left = twice(env, RESUMES)
    assert left.code == 0, left.err
    assert len(left.warnings) == 1
    assert "could not be stamped" in left.warnings[0]
    seconds = json.loads((twice.folder / "seconds.json").read_text())
    # MLflow's client would try a 500 again for minutes. The last two share one patience.
    assert seconds["500"] + seconds[HANG] < SECONDS + 3
    assert max(seconds["400"], seconds["403"]) < 2


def test_tags_refused_at_a_create(twice, refusing):
    left = twice({"GATEWAY": refusing, "EVIDENCE_OWNER": "jo"}, CREATES)
    assert left.code == 0, left.err
    assert left.out.count(b"[] yes") == 4
    assert len(left.warnings) == 1
    assert "refused" in left.warnings[0]


@pytest.mark.parametrize("place", ["sqlite", "http"])
def test_five_hundred_tags_already_on_the_run(twice, server, bare, place):
    env, run_id = {"EVIDENCE_OWNER": "jo"}, BARE
    if place == "http":
        env["MLFLOW_TRACKING_URI"] = server[0]
        (run_id,) = bare(1, 500)
    script = f"""
    import mlflow, os
    with mlflow.start_run(run_id="{run_id}"):
        mlflow.log_metric("auc", 0.9)
    found = mlflow.get_run("{run_id}").data.tags
    print(sum(name.startswith("mine.") for name in found))
    if "EVIDENCE_DISABLED" not in os.environ:
        assert found["evidence.owner"] == "jo", found
    """

    def prepare(work: os.PathLike[str]) -> None:
        if place == "sqlite":
            bare_run(twice.store, BARE, 500)

    left = twice(env, script, prepare, most=0)
    assert left.code == 0, left.err
    assert b"500" in left.out
