"""Which code: asked of the `git` program, with little patience. No git, no tags, no noise."""

from __future__ import annotations

import re
import shutil
import time

from ..tags import GIT_BRANCH, GIT_COMMIT, GIT_DIRTY, GIT_REMOTE
from .host import Host
from .program import ask, git
from .secrecy import public_remote
from .status import Status

BUDGET_SECONDS = 0.5
"""For commit, branch and remote together; each takes 2 ms on a healthy disk."""

COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


def checkout(host: Host) -> dict[str, str]:
    """Commit, branch (absent when detached) and remote, as of the first call in this process."""
    return host.once("git checkout", lambda: _checkout(host))


def dirty(host: Host) -> dict[str, str]:
    """Whether tracked files differ from the commit, once `git status` has answered."""
    status: Status | None = host.remembered.get("git status")
    answer = status.answer() if status else None
    if answer is None or not checkout(host):  # without a commit there is nothing to differ from
        return {}
    return {GIT_DIRTY: "true" if answer else "false"}


def _checkout(host: Host) -> dict[str, str]:
    if host.start is None or not shutil.which("git", path=host.env.get("PATH")):
        return {}
    # Started first, so that it works while the rest is asked.
    host.remembered["git status"] = Status(git(host, "status", "--porcelain", "-uno"))
    deadline = time.monotonic() + BUDGET_SECONDS
    head = ask(host, deadline, "rev-parse", "HEAD", "--symbolic-full-name", "HEAD").split("\n")
    if not COMMIT.fullmatch(head[0]):
        return {}
    found = {GIT_COMMIT: head[0]}
    if head[-1].startswith("refs/heads/"):
        found[GIT_BRANCH] = head[-1].removeprefix("refs/heads/")
    remote = public_remote(ask(host, deadline, "config", "--get", "remote.origin.url"))
    return {**found, GIT_REMOTE: remote} if remote else found
