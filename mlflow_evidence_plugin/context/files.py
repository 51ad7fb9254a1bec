"""Reads a configuration file as if a stranger had put it there."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .host import Host
from .notices import Problem

NAME = "evidence.toml"
MAX_BYTES = 64 * 1024
MAX_DOTS = 100
"""In one line: the parser's time grows with the square of a dotted key's parts."""


@dataclass(frozen=True)
class Loaded:
    """A file's content, or why there is none."""

    path: Path
    content: dict[str, Any] = field(default_factory=dict)
    problem: Problem | None = None


def nearest(host: Host) -> Path | None:
    """The evidence.toml that counts: the first one upward from the script."""
    for directory in _upward(host):
        path = directory / NAME
        # `lexists`: a broken link is there, and is reported rather than passed over.
        if os.path.lexists(path):
            return path
    return None


def load(path: Path, uid: int | None) -> Loaded:
    """Parse the file if it is small, regular, and ours or root's; never waits, never raises."""
    try:
        text = _read(path, uid)
        return Loaded(path, _toml(text))
    except _Unfit as unfit:
        reason, mend = unfit.args
    except FileNotFoundError:
        reason, mend = "there is no such file", "Create it, or correct the path"
    except OSError as error:
        reason, mend = f"cannot be read ({error.strerror})", "Make it readable for this user"
    except UnicodeDecodeError:
        reason, mend = "is not UTF-8 text", "Save it as UTF-8"
    except (ValueError, RecursionError) as error:
        where = str(error).rpartition("(at ")[2].rstrip(")") if "(at " in str(error) else ""
        reason, mend = f"is not TOML{' at ' + where if where else ''}", "Correct the syntax"
    except ImportError:
        reason, mend = "needs the package tomli on this Python", "pip install tomli"
    return Loaded(path, problem=Problem(str(path), reason, mend))


class _Unfit(Exception):
    """Reason, and how to mend it."""


def _upward(host: Host) -> Iterator[Path]:
    if host.start is None:
        return
    for directory in (host.start, *host.start.parents):
        yield directory
        if directory == host.home or os.path.lexists(directory / ".git"):
            return


def _read(path: Path, uid: int | None) -> str:
    # Without O_NONBLOCK, opening a FIFO would wait for a writer for ever.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
    with os.fdopen(os.open(path, flags), "rb", closefd=True) as file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode):
            raise _Unfit("is not a regular file", "Put a file in its place")
        if uid is not None and about.st_uid not in (0, uid):
            mend = "Change its owner, or use EVIDENCE_* variables"
            raise _Unfit("belongs to another user", mend)
        raw = file.read(MAX_BYTES + 1)
    if len(raw) > MAX_BYTES:
        raise _Unfit(f"is larger than {MAX_BYTES // 1024} KiB", "Keep only [governance] in it")
    text = raw.decode("utf-8-sig")
    if any(line.count(".") > MAX_DOTS for line in text.splitlines() if line.lstrip()[:1] != "#"):
        raise _Unfit(f"has more than {MAX_DOTS} dots in a line", "Shorten that line")
    return text


def _toml(text: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    content: dict[str, Any] = tomllib.loads(text)
    return content
