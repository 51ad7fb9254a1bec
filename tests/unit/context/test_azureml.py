from __future__ import annotations

import pytest

from mlflow_evidence_plugin import tags
from mlflow_evidence_plugin.context.azureml import job
from mlflow_evidence_plugin.context.sources import gather

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
JOB = {
    "AZUREML_ARM_SUBSCRIPTION": SUBSCRIPTION,
    "AZUREML_ARM_RESOURCEGROUP": "rg-credit",
    "AZUREML_ARM_WORKSPACE_NAME": "ws-credit",
    "AZUREML_RUN_ID": "brave_ant_4kq8",
}
SCOPE = f"/subscriptions/{SUBSCRIPTION}/resourcegroups/rg-credit/workspaces/ws-credit"
URI = (
    f"azureml://westeurope.api.azureml.ms/mlflow/v1.0/subscriptions/{SUBSCRIPTION}"
    "/resourceGroups/rg-credit/providers/Microsoft.MachineLearningServices/workspaces/ws-credit"
)


def test_a_job_is_named_with_its_page_in_the_studio(host):
    assert job(host(**JOB)) == {
        tags.AZUREML_WORKSPACE: SCOPE,
        tags.AZUREML_JOB: f"https://ml.azure.com/runs/brave_ant_4kq8?wsid={SCOPE}",
    }


@pytest.mark.parametrize(
    ("cloud", "studio"),
    [("AzureChinaCloud", "https://ml.azure.cn/"), ("AzureUSGovernment", "https://ml.azure.us/")],
)
def test_other_clouds_have_studios_of_their_own(host, cloud, studio):
    assert job(host(**JOB, AZUREML_CURRENT_CLOUD=cloud))[tags.AZUREML_JOB].startswith(studio)


def test_outside_of_a_job_the_tracking_uri_tells_the_workspace(host):
    assert job(host(MLFLOW_TRACKING_URI=URI + "?x=1")) == {tags.AZUREML_WORKSPACE: SCOPE}


@pytest.mark.parametrize(
    "change",
    [
        {"AZUREML_ARM_SUBSCRIPTION": "../../evil"},
        {"AZUREML_ARM_SUBSCRIPTION": ""},
        {"AZUREML_ARM_RESOURCEGROUP": "a/b"},
        {"AZUREML_ARM_WORKSPACE_NAME": "x?sig=secret"},
        {"AZUREML_ARM_WORKSPACE_NAME": "line\nbreak"},
    ],
)
def test_what_names_no_workspace_is_left_out(host, change):
    assert job(host(**{**JOB, **change})) == {}


@pytest.mark.parametrize("run", ["", "a/b", "a?b=c", "x" * 300, "two words"])
def test_what_names_no_job_is_left_out(host, run):
    assert job(host(**{**JOB, "AZUREML_RUN_ID": run})) == {tags.AZUREML_WORKSPACE: SCOPE}


@pytest.mark.parametrize("uri", ["http://mlflow.example.org" + URI[9:], "azureml://[", "", "x"])
def test_another_address_names_no_workspace(host, uri):
    assert job(host(MLFLOW_TRACKING_URI=uri)) == {}


def test_no_other_variable_of_a_job_is_read(host):
    secret = "eyJhbGciOiJub25lIn0.eyJleHAiOjF9.c2lnbmF0dXJl"
    named = ("MLFLOW_TRACKING_TOKEN", "AZUREML_RUN_TOKEN", "AZUREML_RUN_TOKEN_PASS", "MSI_SECRET")
    found = gather(host(**JOB, **dict.fromkeys(named, secret), AZUREML_DATASETS=secret))
    assert found[tags.AZUREML_JOB]
    assert secret not in str(found)
