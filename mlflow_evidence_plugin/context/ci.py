"""Which automation started the training: GitHub Actions, Azure Pipelines, GitLab CI, Jenkins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import quote

from ..tags import CI_RUN, CI_URL, GIT_BRANCH, GIT_COMMIT
from .git import COMMIT
from .host import Host
from .secrecy import public_url

Env = Mapping[str, str]


def job(host: Host) -> dict[str, str]:
    """The CI run's id and URL."""
    return _facts(host.env, CI_RUN, CI_URL)


def checkout(host: Host) -> dict[str, str]:
    """Commit and branch as CI tells them: of what it checked out, which may not be our code."""
    found = _facts(host.env, GIT_COMMIT, GIT_BRANCH)
    return found if COMMIT.fullmatch(found.get(GIT_COMMIT, "")) else {}


def github(env: Env) -> dict[str, str]:
    """https://docs.github.com/actions/reference/workflows-and-actions/variables."""
    run, attempt = env.get("GITHUB_RUN_ID", ""), env.get("GITHUB_RUN_ATTEMPT", "")
    server = public_url(env.get("GITHUB_SERVER_URL", ""))
    page = f"{server}/{env.get('GITHUB_REPOSITORY', '')}/actions/runs/{run}"
    named = env.get("GITHUB_REF_NAME", "") if env.get("GITHUB_REF_TYPE") == "branch" else ""
    return {
        CI_RUN: run,
        CI_URL: (page + (f"/attempts/{attempt}" if attempt else "")) if server and run else "",
        GIT_COMMIT: env.get("GITHUB_SHA", ""),
        GIT_BRANCH: env.get("GITHUB_HEAD_REF") or named,
    }


def azure_pipelines(env: Env) -> dict[str, str]:
    """https://learn.microsoft.com/azure/devops/pipelines/build/variables."""
    run = env.get("BUILD_BUILDID", "")
    server = public_url(env.get("SYSTEM_COLLECTIONURI", ""))
    project = quote(env.get("SYSTEM_TEAMPROJECT", ""))
    ref = env.get("SYSTEM_PULLREQUEST_SOURCEBRANCH") or env.get("BUILD_SOURCEBRANCH", "")
    page = f"{(server or '').rstrip('/')}/{project}/_build/results?buildId={run}"
    return {
        CI_RUN: run,
        CI_URL: page if server and project and run.isdecimal() else "",
        GIT_COMMIT: env.get("BUILD_SOURCEVERSION", ""),
        GIT_BRANCH: ref.removeprefix("refs/heads/") if ref.startswith("refs/heads/") else "",
    }


def gitlab(env: Env) -> dict[str, str]:
    """https://docs.gitlab.com/ci/variables/predefined_variables/."""
    merge_request = env.get("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", "")
    return {
        CI_RUN: env.get("CI_PIPELINE_ID", ""),
        CI_URL: public_url(env.get("CI_PIPELINE_URL", "")) or "",
        GIT_COMMIT: env.get("CI_COMMIT_SHA", ""),
        GIT_BRANCH: env.get("CI_COMMIT_BRANCH") or merge_request,
    }


def jenkins(env: Env) -> dict[str, str]:
    """https://www.jenkins.io/doc/book/pipeline/jenkinsfile/#using-environment-variables."""
    branches = (env.get(name, "") for name in ("CHANGE_BRANCH", "BRANCH_NAME", "GIT_BRANCH"))
    return {
        # BUILD_TAG is `jenkins-<job>-<number>`; the number alone names no build.
        CI_RUN: env.get("BUILD_TAG") or env.get("BUILD_NUMBER", ""),
        CI_URL: public_url(env.get("BUILD_URL", "")) or "",
        GIT_COMMIT: env.get("GIT_COMMIT", ""),
        GIT_BRANCH: next(filter(None, branches), "").removeprefix("origin/"),
    }


SYSTEMS: tuple[tuple[str, Callable[[Env], dict[str, str]]], ...] = (
    ("GITHUB_ACTIONS", github),
    ("TF_BUILD", azure_pipelines),
    ("GITLAB_CI", gitlab),
    ("JENKINS_URL", jenkins),
)
"""The variable by which each system makes itself known."""


def _facts(env: Env, *names: str) -> dict[str, str]:
    for mark, system in SYSTEMS:
        if env.get(mark):
            return {name: value for name, value in system(env).items() if name in names and value}
    return {}
