"""Runs `git` so that it can neither wait for anybody nor outlive its welcome."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress

from .host import Host

# These belong to the repository whose hook or alias started us, not to the script's.
_FOREIGN = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY"}
_CALM = {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}


def git(host: Host, *arguments: str) -> subprocess.Popen[bytes]:
    """Git in the script's directory: no input, no prompt, no lock, no monitor of its own."""
    return subprocess.Popen(
        ["git", "-c", "core.fsmonitor=false", *arguments],
        cwd=host.start,
        env={k: v for k, v in host.env.items() if k not in _FOREIGN} | _CALM,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # so that what it started can be ended with it
    )


def ask(host: Host, deadline: float, *arguments: str) -> str:
    """Git's answer, or "" when it fails or `deadline` (of the monotonic clock) has come."""
    left = deadline - time.monotonic()
    if left <= 0:
        return ""
    process = git(host, *arguments)
    try:
        answer, _ = process.communicate(timeout=left)
    except subprocess.TimeoutExpired:
        return ""
    finally:  # at Ctrl-C as well: leave nothing behind
        end(process)
        if process.stdout:
            process.stdout.close()
    # A name in another encoding stays recognisable as such, to be dropped by name later.
    return answer.decode("utf-8", "surrogateescape").strip() if process.returncode == 0 else ""


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill the program and what it started; does not wait for one that the kernel holds."""
    if process.poll() is not None:
        return
    with suppress(OSError, AttributeError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(OSError, subprocess.TimeoutExpired):
        process.kill()
        process.wait(timeout=0.1)
