"""What can be said of a run after the fact, and what nobody may make us say."""

from __future__ import annotations

import pytest

from mlflow_evidence_plugin import tags
from mlflow_evidence_plugin.context.afterwards import checked, missing, stamped
from mlflow_evidence_plugin.errors import BadInput

COMMIT = "0123456789abcdef0123456789abcdef01234567"
NOTED = {
    "mlflow.source.git.commit": COMMIT,
    "mlflow.source.git.branch": "main",
    "mlflow.source.git.repoURL": "https://jo:hunter2@git.example.org/credit.git?x=1",
}
WORKSPACE = {
    "MLFLOW_TRACKING_URI": "azureml://westeurope.api.azureml.ms/mlflow/v1.0/subscriptions/"
    "00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/"
    "Microsoft.MachineLearningServices/workspaces/ws",
    "AZUREML_CURRENT_CLOUD": "AzureCloud",
}
SCOPE = "/subscriptions/00000000-0000-0000-0000-000000000001/resourcegroups/rg/workspaces/ws"
MARK = {tags.SCHEMA: "1", tags.STAMPED_BY: "backfill"}


def test_a_run_that_says_nothing_gets_the_mark_alone():
    assert missing("r1", {"mine": "x"}, {}, {}) == MARK


def test_mlflow_has_noted_the_code_and_no_credential_of_it_becomes_a_tag():
    found = missing("r1", NOTED, {}, {})
    assert found == {
        **MARK,
        tags.GIT_COMMIT: COMMIT,
        tags.GIT_BRANCH: "main",
        tags.GIT_REMOTE: "https://git.example.org/credit.git",
    }


@pytest.mark.parametrize(
    ("noted", "value"),
    [
        ("mlflow.source.git.commit", "main"),
        ("mlflow.source.git.commit", COMMIT[:12]),
        ("mlflow.source.git.commit", ""),
    ],
)
def test_a_branch_without_a_commit_names_no_code(noted, value):
    assert missing("r1", {**NOTED, noted: value}, {}, {}) == MARK


@pytest.mark.parametrize(
    "remote", ["/home/jo/credit", "https://git.example.org/@token@/x", "file:///srv/credit"]
)
def test_a_remote_that_may_not_be_shown_is_left_out(remote):
    found = missing("r1", {**NOTED, "mlflow.source.git.repoURL": remote}, {}, {})
    assert tags.GIT_REMOTE not in found and found[tags.GIT_COMMIT] == COMMIT


def test_a_branch_that_looks_like_a_credential_is_left_out():
    found = missing("r1", {**NOTED, "mlflow.source.git.branch": "x?sig=abcdef"}, {}, {})
    assert tags.GIT_BRANCH not in found


def test_a_run_in_a_workspace_gets_its_page():
    found = missing("r1", {}, WORKSPACE, {})
    assert found[tags.AZUREML_WORKSPACE] == SCOPE
    assert found[tags.AZUREML_JOB] == f"https://ml.azure.com/runs/r1?wsid={SCOPE}"


def test_what_a_run_has_is_kept_and_the_rest_comes_in_the_order_of_importance():
    there = {**NOTED, tags.GIT_BRANCH: "theirs", "evidence.owner": "ana"}
    found = missing("r1", there, WORKSPACE, checked({"owner": "jo", "ticket": "CHG1"}))
    assert found["evidence.ticket"] == "CHG1"
    assert not set(found) & set(there)
    assert list(found) == [name for name in tags.ORDER if name in found]


def test_only_our_own_mark_makes_a_run_stamped():
    assert stamped({tags.SCHEMA: "1"})
    assert not stamped({"evidence.owner": "ana"})


@pytest.mark.parametrize(
    "values",
    [
        {"ownr": "jo"},
        {"git.commit": COMMIT},
        {"schema": "2"},
        {"owner": ""},
        {"owner": "a\nb"},
        {"owner": "x" * 1001},
        {"owner": "https://jo:hunter2@example.org"},
        {"owner": "\udc80"},
    ],
    ids=lambda values: next(iter(values.items()))[0] + repr(next(iter(values.values()))[:9]),
)
def test_a_value_that_is_unfit_is_refused_and_never_shown(values):
    with pytest.raises(BadInput) as refused:
        checked(values)
    said = refused.value.detail + refused.value.mend
    assert "hunter2" not in said and "\n" not in said
