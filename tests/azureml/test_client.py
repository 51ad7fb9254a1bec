"""Azure ML's client itself: missing, or too old. Needs it neither here nor there."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError
from importlib.util import find_spec
from pathlib import Path

import pytest

from mlflow_evidence_plugin.errors import BadConfig, NotInstalled

from .conftest import clean, ended
from .names import HOST, SCOPE

URI = f"azureml://{HOST}/mlflow/v1.0{SCOPE}"


@pytest.fixture
def installed(monkeypatch):
    """Pretends that these versions are installed."""
    from mlflow_evidence_plugin.collect import azure

    def pretend(**versions: str):
        def version(name: str) -> str:
            try:
                return versions[name.replace("-", "_")]
            except KeyError:
                raise PackageNotFoundError(name) from None

        monkeypatch.setattr(azure, "version", version)
        return azure.client_version

    return pretend


@pytest.mark.parametrize(
    ("client", "mlflow"),
    [("1.60.0", "3.17.2"), ("1.60.0", "3.0.0"), ("1.62.0.post5", "3.15.0")],
)
def test_one_that_is_too_old_for_its_mlflow_is_refused(installed, client, mlflow):
    with pytest.raises(BadConfig, match=rf"azureml-mlflow {client}.*mlflow {mlflow}") as told:
        installed(azureml_mlflow=client, mlflow_skinny=mlflow)()
    assert "pip install 'mlflow-evidence-plugin[azureml]'" in told.value.mend


@pytest.mark.parametrize(
    ("client", "mlflow"),
    [("1.60.0", "2.22.0"), ("1.62.0.post6", "3.15.0"), ("1.63.0", "3.15.0")],
)
def test_one_that_goes_with_its_mlflow_is_taken(installed, client, mlflow):
    assert installed(azureml_mlflow=client, mlflow=mlflow)() == client


def test_one_that_is_missing_is_named_with_what_to_install(installed):
    with pytest.raises(NotInstalled) as told:
        installed(mlflow_skinny="3.15.0")()
    assert "[azureml]" in told.value.mend


@pytest.mark.skipif(find_spec("azureml") is not None, reason="azureml-mlflow is here")
@pytest.mark.parametrize(
    "words", [["store", "show"], ["capture", "runs/" + "0" * 32], ["doctor"]], ids=lambda w: w[0]
)
def test_a_command_where_it_is_missing_says_what_to_install(tmp_path, words):
    program = Path(sys.executable).with_name("mlflow-evidence")
    env = {**clean(tmp_path), "MLFLOW_TRACKING_URI": URI}
    done = ended([str(program), *words], tmp_path, env)
    assert done.code == (1 if words == ["doctor"] else 7), done.err
    assert "pip install 'mlflow-evidence-plugin[azureml]'" in done.out + done.err
    assert "Traceback" not in done.err


@pytest.mark.skipif(find_spec("azureml") is not None, reason="azureml-mlflow is here")
def test_training_without_it_fails_as_it_does_without_the_plugin(tmp_path):
    code = "import mlflow\nmlflow.start_run()"
    env = {**clean(tmp_path), "MLFLOW_TRACKING_URI": URI}
    with_us, without = (
        ended([sys.executable, "-c", code], tmp_path, {**env, "EVIDENCE_DISABLED": off})
        for off in ("", "1")
    )
    assert with_us.code == without.code == 1
    assert with_us.err.splitlines()[-1] == without.err.splitlines()[-1]
