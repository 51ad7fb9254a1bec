"""The double itself, where the other tests do not reach: without a network."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests_mock

from .conftest import NEEDS_AZUREML
from .direct import stored_run
from .names import HOST, SCOPE

pytestmark = NEEDS_AZUREML


def test_a_mocker_answers_in_its_place_and_nothing_else_is_reached(
    workspace, in_workspace, monkeypatch, tmp_path
):
    import mlflow
    import requests

    from .mounting import mount

    monkeypatch.setenv("MSI_ENDPOINT", f"https://{HOST}/msi/token")
    uri = f"azureml://{HOST}/mlflow/v1.0{SCOPE}"
    before = mlflow.get_tracking_uri()
    with requests_mock.Mocker() as mocker:
        mount(workspace, mocker)
        mlflow.set_tracking_uri(uri)
        client = mlflow.MlflowClient(uri)
        run_id = client.create_run("0").info.run_id
        client.log_text(run_id, "through the mocker", "a/b.txt")
        file = client.download_artifacts(run_id, "a/b.txt", str(tmp_path))
        with pytest.raises(requests_mock.exceptions.NoMockAddress):
            requests.get("https://management.azure.com/", timeout=1)
    mlflow.set_tracking_uri(before)
    assert Path(file).read_text("utf-8") == "through the mocker"
    assert stored_run(workspace, run_id)["info"]["status"] == "RUNNING"
