from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from mlflow_evidence_plugin import tags
from mlflow_evidence_plugin.context import git as source
from mlflow_evidence_plugin.context import program, status


def dirty(here):
    source.checkout(here)
    time.sleep(0.3)  # the first look may come too early on a busy machine
    return source.dirty(here).get(tags.GIT_DIRTY)


def fake_git(directory, script):
    directory.mkdir()
    (directory / "git").write_text(f"#!/bin/sh\n{script}\n")
    (directory / "git").chmod(0o755)
    (directory / "git.real").symlink_to(shutil.which("git"))
    return {"PATH": f"{directory}:{os.environ['PATH']}"}


def test_commit_branch_and_remote(host, git):
    git("remote", "add", "origin", "https://jo:pw@git.example.org/team/model.git?x=1")
    assert source.checkout(host()) == {
        tags.GIT_COMMIT: git("rev-parse", "HEAD"),
        tags.GIT_BRANCH: "main",
        tags.GIT_REMOTE: "https://git.example.org/team/model.git",
    }


def test_a_branch_with_a_slash_and_the_name_of_a_tag(host, git):
    git("checkout", "-q", "-b", "feature/x")
    git("tag", "feature/x")
    assert source.checkout(host())[tags.GIT_BRANCH] == "feature/x"


def test_detached_has_no_branch(host, git):
    git("checkout", "-q", "--detach")
    assert source.checkout(host()) == {tags.GIT_COMMIT: git("rev-parse", "HEAD")}


def test_a_linked_worktree_and_a_subdirectory(host, git, tmp_path):
    git("worktree", "add", "-q", "-b", "other", str(tmp_path / "tree"))
    inner = tmp_path / "tree" / "deep"
    inner.mkdir()
    assert source.checkout(host(inner))[tags.GIT_BRANCH] == "other"


def test_dirty_means_tracked_files(host, git, tmp_path):
    assert dirty(host()) == "false"
    (tmp_path / "untracked").write_text("x")
    assert dirty(host()) == "false"
    (tmp_path / "train.py").write_text("changed")
    assert dirty(host()) == "true"


def test_very_long_output_of_status_blocks_nobody(host, git, tmp_path):
    for number in range(3_000):
        (tmp_path / f"{'long' * 20}{number}").write_text("")
    git("add", ".")
    assert dirty(host()) == "true"


@pytest.mark.parametrize("variable", ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"])
def test_variables_of_another_repository_do_not_count(host, git, tmp_path, variable):
    here = host(**{variable: str(tmp_path / "nowhere")})
    assert source.checkout(here)[tags.GIT_COMMIT] == git("rev-parse", "HEAD")
    assert dirty(here) == "false"


def test_no_repository_no_commit_no_program(host, git, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    assert source.checkout(host(elsewhere)) == {}
    git("init", "-q", str(elsewhere))
    assert source.checkout(host(elsewhere)) == {}
    assert source.checkout(host(PATH=str(elsewhere))) == {}
    assert source.checkout(host(None)) == {}
    assert dirty(host(elsewhere)) is None or dirty(host(elsewhere)) == "false"


@pytest.mark.parametrize("damage", ["HEAD", "index", "objects"])
def test_a_corrupt_repository_gives_what_is_certain(host, git, tmp_path, damage):
    target = tmp_path / ".git" / damage
    if target.is_dir():
        subprocess.run(["rm", "-rf", str(target)], check=True)
    else:
        target.write_bytes(b"\0garbage\xff")
    here = host()
    found = source.checkout(here)
    assert found.get(tags.GIT_COMMIT) in (None, subprocess_head(tmp_path))
    assert dirty(here) is None or damage == "HEAD"


def subprocess_head(directory):
    command = ["git", "rev-parse", "HEAD"]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True).stdout.strip()


def test_a_git_that_hangs_costs_little_and_is_ended(host, tmp_path, monkeypatch):
    monkeypatch.setattr(status, "LIFE_SECONDS", 0.6)
    began = time.monotonic()
    here = host(**fake_git(tmp_path / "bin", "echo $$ >> pids; sleep 60 & echo $! >> pids; wait"))
    assert source.checkout(here) == {}
    assert source.dirty(here) == {}
    assert time.monotonic() - began < source.BUDGET_SECONDS + 0.4
    time.sleep(1)
    pids = [int(line) for line in (tmp_path / "pids").read_text().split()]
    assert len(pids) == 4
    assert [pid for pid in pids if alive(pid)] == []
    assert source.dirty(here) == {}


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_slow_status_is_picked_up_by_a_later_run(host, git, tmp_path):
    slow = 'case "$*" in *status*) sleep 0.5; echo " M x";; *) exec git.real "$@";; esac'
    here = host(**fake_git(tmp_path / "bin", slow))
    began = time.monotonic()
    assert tags.GIT_COMMIT in source.checkout(here)
    assert source.dirty(here) == {}
    assert time.monotonic() - began < 0.45
    time.sleep(0.8)
    began = time.monotonic()
    assert source.dirty(here) == {tags.GIT_DIRTY: "true"}
    assert source.dirty(here) == {tags.GIT_DIRTY: "true"}
    assert time.monotonic() - began < 0.1


def test_a_failing_status_is_unknown_not_clean(host, git, tmp_path):
    failing = 'case "$*" in *status*) exit 1;; *) exec git.real "$@";; esac'
    assert dirty(host(**fake_git(tmp_path / "bin", failing))) is None


def test_a_status_that_closes_its_output_and_stays_is_unknown(host, git, tmp_path):
    stays = 'case "$*" in *status*) exec >&-; sleep 9;; *) exec git.real "$@";; esac'
    here = host(**fake_git(tmp_path / "bin", stays))
    assert dirty(here) is None
    began = time.monotonic()
    assert source.dirty(here) == {}
    assert time.monotonic() - began < 0.05


def test_git_is_asked_once_in_a_process(host, git, tmp_path):
    counting = 'echo "$*" >> /COUNT; exec git.real "$@"'.replace("/COUNT", str(tmp_path / "count"))
    env = fake_git(tmp_path / "bin", counting)
    here = host(**env)
    assert source.checkout(here) == source.checkout(here) != {}
    assert source.dirty(here) == source.dirty(here)
    assert len((tmp_path / "count").read_text().splitlines()) == 3


def test_git_reads_nothing_and_prompts_nobody(host, tmp_path):
    script = 'env > env; cat > input; echo "$@" > arguments; exit 1'
    here = host(**fake_git(tmp_path / "bin", script))
    program.ask(here, time.monotonic() + 5, "rev-parse")
    assert (tmp_path / "input").read_text() == ""
    assert "core.fsmonitor=false" in (tmp_path / "arguments").read_text()
    assert {"GIT_TERMINAL_PROMPT=0", "GIT_OPTIONAL_LOCKS=0"} <= set(
        (tmp_path / "env").read_text().split()
    )


def test_without_a_commit_nothing_is_said_about_changes(host, tmp_path):
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    here = host(start=tmp_path)
    assert source.checkout(here) == {}
    assert source.dirty(here) == {}
