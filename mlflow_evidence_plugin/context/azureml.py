"""The Azure ML job that the training is, from an allow-list of variables.

Never a glob over `AZUREML_*`: some of them hold tokens.
https://learn.microsoft.com/azure/machine-learning/how-to-use-mlflow-cli-runs
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from ..tags import AZUREML_JOB, AZUREML_WORKSPACE
from .host import Host

STUDIO = {
    "AzureChinaCloud": "https://ml.azure.cn",
    "AzureUSGovernment": "https://ml.azure.us",
}
"""The studio of each cloud that is not the public one."""

_SUBSCRIPTION = re.compile(r"[0-9A-Fa-f-]{36}")
_NAME = re.compile(r"[\w.()-]{1,260}", re.ASCII)
_RUN = re.compile(r"[\w.-]{1,255}", re.ASCII)
_SCOPE = re.compile(
    r"/subscriptions/(?P<subscription>[^/]+)/resourceGroups/(?P<group>[^/]+)"
    r"/providers/Microsoft\.MachineLearningServices/workspaces/(?P<workspace>[^/?#]+)",
    re.IGNORECASE,
)


def job(host: Host) -> dict[str, str]:
    """The workspace, and the job's page in the studio; outside of a job the workspace alone."""
    scope = _workspace(host.env)
    if scope is None:
        return {}
    run = host.env.get("AZUREML_RUN_ID", "")
    if not _RUN.fullmatch(run):
        return {AZUREML_WORKSPACE: scope}
    studio = STUDIO.get(host.env.get("AZUREML_CURRENT_CLOUD", ""), "https://ml.azure.com")
    # The names that the studio itself uses in its addresses.
    return {AZUREML_WORKSPACE: scope, AZUREML_JOB: f"{studio}/runs/{run}?wsid={scope}"}


def _workspace(env: Mapping[str, str]) -> str | None:
    told = {
        "subscription": env.get("AZUREML_ARM_SUBSCRIPTION", ""),
        "group": env.get("AZUREML_ARM_RESOURCEGROUP", ""),
        "workspace": env.get("AZUREML_ARM_WORKSPACE_NAME", ""),
    }
    if not all(told.values()):
        found = _SCOPE.search(_path(env.get("MLFLOW_TRACKING_URI", "")))
        told = found.groupdict() if found else told
    if not _SUBSCRIPTION.fullmatch(told["subscription"]):
        return None
    if not (_NAME.fullmatch(told["group"]) and _NAME.fullmatch(told["workspace"])):
        return None
    return "/subscriptions/{subscription}/resourcegroups/{group}/workspaces/{workspace}".format(
        **told
    )


def _path(uri: str) -> str:
    try:
        parts = urlsplit(uri)
    except ValueError:
        return ""
    return parts.path if parts.scheme == "azureml" else ""
