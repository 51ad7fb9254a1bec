"""Runs that no context provider is asked about, beyond what tests/matrix says of every path."""

from __future__ import annotations

import pytest

from mlflow_evidence_plugin import tags

BARE = """
    import os
    os.environ["EVIDENCE_DISABLED"] = "1"
    import mlflow
    with mlflow.start_run() as run:
        pass
    report(run.info.run_id)
    print("RUN" + run.info.run_id)
"""
RESUME = """
    import mlflow
    with mlflow.start_run(run_id="{run_id}") as run:
        mlflow.log_metric("m", 1)
        seen = dict(run.data.tags)
    assert seen == {{**mlflow.get_run(run.info.run_id).data.tags, **seen}}
    report(run.info.run_id)
"""


@pytest.fixture(params=["sqlite", "http"])
def store(request):
    """Variables which choose the store."""
    if request.param == "sqlite":
        return {}
    return {"MLFLOW_TRACKING_URI": request.getfixturevalue("server")[0]}


@pytest.fixture
def unstamped(run, store):
    """A run that was made without the plugin."""
    done = run(BARE, store)
    assert not [name for name in done.tags[0] if name.startswith(tags.PREFIX)]
    return next(line[3:] for line in done.out.splitlines() if line.startswith("RUN"))


def test_a_resumed_bare_run_is_stamped_once_as_resumed(run, store, unstamped):
    env = {**store, "EVIDENCE_OWNER": "jo"}
    (found,) = run(RESUME.format(run_id=unstamped), env).tags
    assert (found["evidence.owner"], found["evidence.stamped_by"]) == ("jo", "resume")
    assert not [name for name in found if name.startswith(tags.RESUMED_PREFIX)]
    (again,) = run(RESUME.format(run_id=unstamped), env).tags
    assert again == found


def test_a_later_resumer_is_named_and_the_first_is_not_overwritten(run, store, unstamped):
    script = RESUME.format(run_id=unstamped)
    run(script, {**store, "EVIDENCE_OWNER": "jo", "EVIDENCE_TICKET": "C-1"})
    run(script, {**store, "EVIDENCE_OWNER": "kim", "EVIDENCE_TICKET": "C-2"})
    (found,) = run(script, {**store, "EVIDENCE_OWNER": "lee"}).tags
    assert (found["evidence.owner"], found["evidence.ticket"]) == ("jo", "C-1")
    assert found["evidence.resumed.owner"] == "lee"
    assert found["evidence.resumed.ticket"] == "unknown"


def test_resuming_in_the_process_that_made_the_run_asks_and_writes_nothing_more(run, server):
    proxy, seen = server
    script = """
    import mlflow
    with mlflow.start_run() as run:
        pass
    with mlflow.start_run(run_id=run.info.run_id):
        pass
    report(run.info.run_id)
    """
    seen.clear()
    run(script, {"MLFLOW_TRACKING_URI": proxy, "EVIDENCE_OWNER": "jo"})
    assert not [one for one in seen if one.path.endswith(("runs/log-batch", "runs/set-tag"))]


@pytest.mark.parametrize("versioned", [True, False])
def test_a_project_has_its_own_commit_and_not_that_of_where_it_was_called(run, versioned):
    script = f"""
    import subprocess, sys
    from pathlib import Path
    import mlflow
    def commit(folder):
        git = ["git", "-C", folder, "-c", "user.name=x", "-c", "user.email=x@y"]
        for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
            subprocess.run([*git, *words], check=True, capture_output=True)
    project = Path("../project")
    project.mkdir()
    (project / "MLproject").write_text(
        "name: p\\nentry_points:\\n  main:\\n    command: " + sys.executable + " train.py\\n")
    (project / "train.py").write_text("import mlflow\\nmlflow.log_metric('m', 1)\\n")
    commit(".")
    if {versioned}:
        commit(project)
    done = mlflow.projects.run(str(project), env_manager="local")
    report(done.run_id)
    """
    (found,) = run(script, {"EVIDENCE_OWNER": "jo"}).tags
    assert (found["evidence.owner"], found["evidence.stamped_by"]) == ("jo", "create")
    told = {name for name in found if name.startswith("evidence.git.")}
    assert told == ({"evidence.git.commit"} if versioned else set())
    assert found.get("evidence.git.commit") == found.get("mlflow.source.git.commit")
    assert not [name for name in found if name.startswith(tags.RESUMED_PREFIX)]


MOVED = {
    "_no_such_registry": """
    from mlflow_evidence_plugin.context import seams
    seams.REGISTRY = ("mlflow.tracking._tracking_service.utils", "_no_such_registry")
    import mlflow
    """,
    "create_logged_model": """
    import mlflow
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
    for store in SqlAlchemyStore.__mro__:
        if "create_logged_model" in vars(store):
            del store.create_logged_model
    """,
}


@pytest.mark.parametrize("seam", MOVED)
def test_a_seam_that_has_moved_is_said_once_and_fluent_runs_are_still_stamped(run, seam):
    script = f"""{MOVED[seam]}
    for _ in range(2):
        with mlflow.start_run() as run:
            pass
    report(run.info.run_id)
    """
    done = run(script, {"EVIDENCE_OWNER": "jo"})
    assert done.tags[0]["evidence.owner"] == "jo"
    assert len(done.warnings) == 1
    assert seam in done.warnings[0]
    assert "only runs of the fluent interface" in done.warnings[0]


def test_a_store_that_refuses_the_tags_keeps_the_run_going(run, unstamped, store):
    script = f"""
    import mlflow
    def refuse(*args, **kwargs):
        raise mlflow.exceptions.MlflowException("no room for tags")
    store = mlflow.tracking._tracking_service.utils._get_store()
    type(store).log_batch = refuse
    with mlflow.start_run(run_id="{unstamped}"):
        mlflow.log_metric("m", 1)
    report("{unstamped}")
    """
    done = run(script, {**store, "EVIDENCE_OWNER": "jo"})
    assert "evidence.owner" not in done.tags[0]
    assert len(done.warnings) == 1


def test_registries_that_are_loaded_again_wrap_nothing_twice(run):
    script = """
    import importlib, mlflow
    from mlflow.tracking._tracking_service import utils
    import mlflow.tracking.context.registry as registry
    first = utils._tracking_store_registry.get_store
    importlib.reload(registry)
    assert utils._tracking_store_registry.get_store is first
    with mlflow.start_run() as run:
        pass
    report(run.info.run_id)
    """
    assert run(script, {"EVIDENCE_OWNER": "jo"}).tags[0]["evidence.owner"] == "jo"


@pytest.mark.parametrize("when", ["before", "after"])
def test_another_library_that_wraps_the_same_functions_hides_no_run(run, unstamped, store, when):
    script = f"""
    import functools, mlflow
    from mlflow.tracking import fluent
    def wrap():
        begin = fluent.ActiveRun.__init__
        @functools.wraps(begin)
        def __init__(self, *args, **kwargs):
            begin(self, *args, **kwargs)
        fluent.ActiveRun.__init__ = __init__
    if "{when}" == "after":
        mlflow.search_experiments()
    wrap()
    mlflow.search_experiments()
    first = fluent.ActiveRun.__init__
    mlflow.tracking._tracking_service.utils._get_store()
    assert fluent.ActiveRun.__init__ is first
    with mlflow.start_run(run_id="{unstamped}"):
        pass
    report("{unstamped}")
    """
    (found,) = run(script, {**store, "EVIDENCE_OWNER": "jo"}).tags
    assert (found["evidence.owner"], found["evidence.stamped_by"]) == ("jo", "resume")
