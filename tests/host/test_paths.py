"""What runs are stamped with, and the header beside them; SQLite and HTTP."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest

from mlflow_evidence_plugin import tags

from .conftest import TRAIN

NESTED = """
    import mlflow
    with mlflow.start_run() as outer, mlflow.start_run(nested=True) as inner:
        mlflow.log_param("a", 1)
    report(outer.info.run_id, inner.info.run_id)
"""


@pytest.fixture(params=["sqlite", "http"])
def store(request):
    """Variables which choose the store."""
    if request.param == "sqlite":
        return {}
    return {"MLFLOW_TRACKING_URI": request.getfixturevalue("server")[0]}


def test_nested_runs_are_stamped(run, store):
    (run.work / "evidence.toml").write_text("[governance]\nowner = 'jo'\ncost_center = 4711\n")
    outer, inner = run(NESTED, {**store, "EVIDENCE_TEAM": "risk"}).tags
    for found in (outer, inner):
        assert found["evidence.owner"] == "jo"
        assert found["evidence.cost_center"] == "4711"
        assert found["evidence.team"] == "risk"
        assert found["evidence.stamped_by"] == "create"
        assert found["evidence.schema"] == "1"
        assert found["evidence.host"]


def test_tags_given_in_code_win(run, store):
    script = """
    import mlflow
    with mlflow.start_run(tags={"evidence.owner": "code"}) as run:
        mlflow.set_tag("evidence.team", "code")
    report(run.info.run_id)
    """
    (found,) = run(script, {**store, "EVIDENCE_OWNER": "env", "EVIDENCE_TEAM": "env"}).tags
    assert (found["evidence.owner"], found["evidence.team"]) == ("code", "code")


def test_switched_off_nothing_is_stamped_and_no_header_sent(run, server):
    proxy, seen = server
    seen.clear()
    env = {"MLFLOW_TRACKING_URI": proxy, "EVIDENCE_OWNER": "jo", "EVIDENCE_DISABLED": "1"}
    for found in run(NESTED, env).tags:
        assert not [name for name in found if name.startswith(tags.PREFIX)]
    assert seen
    assert all(request.headers[tags.HEADER] is None for request in seen)


def test_each_request_carries_the_header(run, server):
    proxy, seen = server
    seen.clear()
    env = {"MLFLOW_TRACKING_URI": proxy, "EVIDENCE_OWNER": "Zoë & Co", "EVIDENCE_TICKET": "C-1"}
    (outer, _) = run(NESTED, env).tags
    created = [r for r in seen if r.method == "POST" and r.path.endswith("runs/create")]
    assert len(created) == 2
    for request in seen:
        pairs = dict(parse_qsl(request.headers[tags.HEADER], strict_parsing=True))
        assert pairs == {"owner": "Zoë & Co", "ticket": "C-1"}
        assert pairs["owner"] == outer["evidence.owner"]


def test_a_script_that_knows_nothing_of_the_plugin(run):
    done = run(TRAIN + "report(run.info.run_id)", {"EVIDENCE_OWNER": "jo"})
    assert done.tags[0]["evidence.owner"] == "jo"
    assert done.warnings == []


def test_the_repository_of_the_script_is_told(run):
    script = TRAIN + "report(run.info.run_id)"
    git = """
    import subprocess
    def git(*a): subprocess.run(["git", *a], check=True, capture_output=True)
    git("init", "-q", "-b", "main"); git("add", ".")
    git("-c", "user.name=x", "-c", "user.email=x@y", "commit", "-qm", "x")
    git("remote", "add", "origin", "https://jo:hunter2@git.example.org/x.git")
    """
    run(git)
    # Written again with other content, so that the tree is dirty.
    done = run(script)
    (found,) = done.tags
    assert found["evidence.git.branch"] == "main"
    assert found["evidence.git.commit"] == found["mlflow.source.git.commit"]
    assert found["evidence.git.remote"] == "https://git.example.org/x.git"
    assert found.get("evidence.git.dirty", "true") == "true"
    assert not [v for k, v in found.items() if k.startswith(tags.PREFIX) and "hunter2" in v]


def test_variables_changed_between_two_runs_count(run):
    script = """
    import mlflow, os
    ids = []
    for owner in "ab":
        os.environ["EVIDENCE_OWNER"] = owner
        with mlflow.start_run() as run:
            ids.append(run.info.run_id)
    report(*ids)
    """
    assert [found["evidence.owner"] for found in run(script).tags] == ["a", "b"]
