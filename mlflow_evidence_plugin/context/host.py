"""What a source may look at: the environment, where the program lives, who runs it."""

from __future__ import annotations

import os
import socket
import sys
import sysconfig
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar, cast

T = TypeVar("T")

DISABLED = "EVIDENCE_DISABLED"
LOG_ENVIRONMENT = "EVIDENCE_LOG_ENVIRONMENT"
"""Not EVIDENCE_ENVIRONMENT: that says what a run is for."""

SERVER_MARK = "_MLFLOW_SERVER_FILE_STORE"
"""Set by `mlflow server` in its own workers."""


@dataclass(frozen=True)
class Host:
    """One look at the process. Sources are functions over it, so tests need no real machine."""

    env: Mapping[str, str] = field(default_factory=dict)
    start: Path | None = None
    """The script's directory, or the working directory of a notebook or an installed program."""
    home: Path | None = None
    name: str = ""
    uid: int | None = None
    """None where files have no owner to compare with."""
    path: tuple[str, ...] = ()
    """Where Python looks for modules."""
    remembered: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def once(self, key: str, find: Callable[[], T]) -> T:
        """What `find` answered the first time in this process."""
        if key not in self.remembered:
            self.remembered[key] = find()
        return cast(T, self.remembered[key])


def observe() -> Host:
    """This process as it is now; what cannot be found out is left empty."""
    return Host(
        env=environment(),
        start=_or_none(_script_directory) or _or_none(Path.cwd),
        home=_or_none(lambda: Path.home().resolve()),
        name=_or_none(socket.gethostname) or "",
        uid=_or_none(lambda: os.geteuid()),  # noqa: PLW0108  # Windows has none
        path=_or_none(lambda: tuple(place for place in sys.path if isinstance(place, str))) or (),
    )


def refreshed(host: Host) -> Host:
    """The same host with the variables of now: a notebook changes them between two runs.

    Decoding them takes longer than all else for a run, so that it is done when one has changed.
    """
    now = _or_none(lambda: dict(vars(os.environ)["_data"]))
    if now is not None and now == host.remembered.get("variables"):
        return host
    host.remembered["variables"] = now  # what changes from here on is seen the next time
    return replace(host, env=environment())


def environment() -> dict[str, str]:
    """A copy of the variables, so that nobody changes them while we read."""
    return _or_none(lambda: dict(os.environ)) or {}


def active(env: Mapping[str, str]) -> bool:
    """Whether to stamp: switched off by the user, and never with a server's own identity."""
    return not _on(env, DISABLED) and SERVER_MARK not in env


def logs_environment(env: Mapping[str, str]) -> bool:
    """Whether each run also gets the environment artifact."""
    return active(env) and _on(env, LOG_ENVIRONMENT)


def _on(env: Mapping[str, str], name: str) -> bool:
    return env.get(name, "").strip().lower() in {"1", "true", "yes", "on"}


def _script_directory() -> Path | None:
    file = getattr(sys.modules.get("__main__"), "__file__", None)
    if not isinstance(file, str):
        return None
    directory = Path(file).resolve().parent
    # `pytest`, `accelerate` or `python -m package` are installed: where they lie says nothing
    # about the project that is being trained.
    places = {Path(sysconfig.get_path(name)).resolve() for name in ("scripts", "purelib", "stdlib")}
    installed = any(place == directory or place in directory.parents for place in places)
    return None if installed else directory


def _or_none(find: Callable[[], T]) -> T | None:
    try:
        return find()
    except Exception:  # a deleted directory, no home, a replaced `os.environ`
        return None
