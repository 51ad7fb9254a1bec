from __future__ import annotations

import pytest

from mlflow_evidence_plugin.context import ci

SHA = "0123456789abcdef0123456789abcdef01234567"

GITHUB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_RUN_ID": "77",
    "GITHUB_RUN_ATTEMPT": "2",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "org/repo",
    "GITHUB_SHA": SHA,
    "GITHUB_REF_NAME": "main",
    "GITHUB_REF_TYPE": "branch",
}
AZURE = {
    "TF_BUILD": "True",
    "BUILD_BUILDID": "12",
    "SYSTEM_COLLECTIONURI": "https://dev.azure.com/org/",
    "SYSTEM_TEAMPROJECT": "My Risk",
    "BUILD_SOURCEVERSION": SHA,
    "BUILD_SOURCEBRANCH": "refs/heads/feature/x",
}
GITLAB = {
    "GITLAB_CI": "true",
    "CI_PIPELINE_ID": "5",
    "CI_PIPELINE_URL": "https://gitlab.example.org/g/p/-/pipelines/5",
    "CI_COMMIT_SHA": SHA,
    "CI_COMMIT_BRANCH": "main",
}
JENKINS = {
    "JENKINS_URL": "https://ci/",
    "BUILD_NUMBER": "9",
    "BUILD_TAG": "jenkins-train-9",
    "BUILD_URL": "https://jo:pw@ci.example.org/job/train/9/?token=1",
    "GIT_COMMIT": SHA,
    "GIT_BRANCH": "origin/main",
}


@pytest.mark.parametrize(
    ("env", "run", "url", "branch"),
    [
        (GITHUB, "77", "https://github.com/org/repo/actions/runs/77/attempts/2", "main"),
        (
            AZURE,
            "12",
            "https://dev.azure.com/org/My%20Risk/_build/results?buildId=12",
            "feature/x",
        ),
        (GITLAB, "5", "https://gitlab.example.org/g/p/-/pipelines/5", "main"),
        (JENKINS, "jenkins-train-9", "https://ci.example.org/job/train/9/", "main"),
    ],
    ids=["github", "azure", "gitlab", "jenkins"],
)
def test_each_system(host, env, run, url, branch):
    assert ci.job(host(**env)) == {"evidence.ci.run": run, "evidence.ci.url": url}
    checkout = {"evidence.git.commit": SHA, "evidence.git.branch": branch}
    assert ci.checkout(host(**env)) == checkout


@pytest.mark.parametrize(
    ("env", "changed", "branch"),
    [
        (GITHUB, {"GITHUB_HEAD_REF": "topic", "GITHUB_REF_NAME": "5/merge"}, "topic"),
        (GITHUB, {"GITHUB_REF_TYPE": "tag", "GITHUB_REF_NAME": "v1"}, None),
        (AZURE, {"BUILD_SOURCEBRANCH": "refs/tags/v1"}, None),
        (AZURE, {"SYSTEM_PULLREQUEST_SOURCEBRANCH": "refs/heads/topic"}, "topic"),
        (GITLAB, {"CI_COMMIT_BRANCH": "", "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "topic"}, "topic"),
        (JENKINS, {"BRANCH_NAME": "PR-3", "CHANGE_BRANCH": "topic"}, "topic"),
    ],
)
def test_the_branch_of_a_pull_request_and_none_of_a_tag(host, env, changed, branch):
    assert ci.checkout(host(**{**env, **changed})).get("evidence.git.branch") == branch


@pytest.mark.parametrize("env", [GITHUB, AZURE, GITLAB, JENKINS])
@pytest.mark.parametrize("value", ["", "x", "\n", "https://u:12/3@h/x", "a" * 100_000])
def test_odd_values_raise_nothing_and_leak_nothing(host, env, value):
    here = host(**{name: (env[name] if name == next(iter(env)) else value) for name in env})
    assert "@" not in ci.job(here).get("evidence.ci.url", "")
    assert ci.checkout(here) == {}


def test_outside_ci_nothing_is_said(host):
    here = host(GITHUB_RUN_ID="1", BUILD_URL="https://x/")
    assert ci.job(here) == ci.checkout(here) == {}
