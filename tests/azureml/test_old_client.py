"""What pip brings when nothing is bounded: an Azure ML client that mlflow 3 has outgrown."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from tests.matrix.cells import assert_stamped, installed, place, program
from tests.matrix.paths import PATHS

from .conftest import ended
from .direct import bare_run
from .test_cli import PROGRAM

pytestmark = pytest.mark.skipif(
    find_spec("azureml") is None or not installed().outgrown,
    reason="azureml-mlflow fits its mlflow: make test-matrix",
)


def test_the_client_itself_can_list_no_artifacts(run, workspace):
    script = f"""
    import mlflow
    mlflow.MlflowClient().list_artifacts("{bare_run(workspace)}")
    """
    done = run(script)
    assert done.code == 1
    assert "unexpected keyword argument 'tracking_uri'" in done.err


@pytest.mark.parametrize("words", [["store", "show"], ["capture", "runs/{run}"]])
def test_we_say_so_before_anything_is_asked(workspace, client_env, tmp_path, words):
    command = [str(PROGRAM), *(word.format(run=bare_run(workspace)) for word in words)]
    workspace.asked.clear()
    done = ended(command, tmp_path, {**client_env, "EVIDENCE_SERVICE_HOME": str(tmp_path / "h")})
    assert done.code == 7, done.err
    found = installed()
    said = f"azureml-mlflow {found.azureml} is too old for mlflow {found.mlflow}"
    assert said in done.err
    assert "pip install 'mlflow-evidence-plugin[azureml]'" in done.err
    assert "Traceback" not in done.err
    assert not workspace.asked


@pytest.mark.parametrize("disabled", ["", "1"])
def test_autologging_makes_the_parent_run_alone_with_or_without_us(
    workspace, in_workspace, client_env, tmp_path, disabled
):
    store = place("azureml", workspace.uri, workspace.root, client_env)
    (autolog,) = (path for path in PATHS if path.name == "autolog")
    experiment = store.client.create_experiment(f"old{disabled}")
    done = program(autolog, store, tmp_path, experiment, EVIDENCE_DISABLED=disabled)
    assert done.returncode == 0, done.stderr
    assert "unexpected keyword argument 'tracking_uri'" in done.stderr
    (parent,) = (run.data.tags for run in store.client.search_runs([experiment]))
    if disabled:
        assert "evidence.schema" not in parent
    else:
        assert_stamped(parent, "create")
