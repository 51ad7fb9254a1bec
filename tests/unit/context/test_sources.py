from __future__ import annotations

import logging

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlflow_evidence_plugin import tags
from mlflow_evidence_plugin.context import machine, sources
from mlflow_evidence_plugin.context.host import Host
from mlflow_evidence_plugin.context.sources import code, gather

from .test_ci import GITHUB, SHA


def test_ci_tells_the_branch_of_a_detached_checkout(host, git):
    commit = git("rev-parse", "HEAD")
    git("checkout", "-q", "--detach")
    found = code(host(**{**GITHUB, "GITHUB_SHA": commit}))
    assert found == {tags.GIT_COMMIT: commit, tags.GIT_BRANCH: "main"}


def test_ci_of_another_commit_does_not_count(host, git):
    git("checkout", "-q", "--detach")
    assert code(host(**GITHUB)) == {tags.GIT_COMMIT: git("rev-parse", "HEAD")}


def test_ci_stands_in_where_git_is_absent(host):
    found = code(host(None, **GITHUB))
    assert found == {tags.GIT_COMMIT: SHA, tags.GIT_BRANCH: "main"}


def test_tags_come_in_order_of_importance(host, git):
    found = gather(host(EVIDENCE_OWNER="jo", EVIDENCE_CHANGE_WINDOW="Sunday", **GITHUB))
    assert list(found) == [name for name in tags.ORDER if name in found]
    assert found["evidence.schema"] == "1"
    assert found["evidence.stamped_by"] == "create"
    assert found["evidence.host"] == "box"


def raising(host):
    raise RuntimeError("no such thing")


def nothing(host):
    return None


def wrong(value):
    def source(host):
        return {tags.IMAGE: value}

    return source


BAD = [None, 3, True, "", " ", "a\nb", "a\r\nb", "a\0b", "\ud800", "x" * 1_001, b"x", ["x"]]


@pytest.mark.parametrize("source", [raising, nothing, *map(wrong, BAD)])
def test_a_bad_source_costs_only_its_own_tags(host, monkeypatch, source):
    monkeypatch.setattr(sources, "SOURCES", (source, machine.hostname))
    assert gather(host()) == {tags.HOST: "box"}


def test_a_source_cannot_give_names_that_nobody_knows(host, monkeypatch):
    monkeypatch.setattr(sources, "SOURCES", (lambda host: {"k" * 300: "x", "mlflow.user": "x"},))
    assert gather(host()) == {}


def test_a_failing_source_is_told_at_debug_only(host, monkeypatch, caplog):
    monkeypatch.setattr(sources, "SOURCES", (raising,))
    with caplog.at_level(logging.DEBUG, "mlflow_evidence_plugin"):
        gather(host())
    assert [record.levelno for record in caplog.records] == [logging.DEBUG]


NAMES = [f"EVIDENCE_{n.upper()}" for n in tags.GOVERNANCE] + [*GITHUB, "EVIDENCE_IMAGE", "PATH"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), st.text()))
def test_whatever_the_environment_every_tag_is_storable(tmp_path, env):
    for name, value in gather(Host(env, tmp_path, None, "box", 0)).items():
        assert name in tags.ORDER
        assert tags.unstorable(name, value) is None


def test_the_image_is_told_by_who_knows(host):
    assert machine.image(host()) == {}
    assert machine.image(host(CI_JOB_IMAGE="python:3")) == {}
    gitlab = {"GITLAB_CI": "true", "CI_JOB_IMAGE": "python:3"}
    assert machine.image(host(**gitlab)) == {tags.IMAGE: "python:3"}
    assert machine.image(host(EVIDENCE_IMAGE="r/x@sha256:1", **gitlab)) == {
        tags.IMAGE: "r/x@sha256:1"
    }
