"""All sources, each behind a fence: one that fails, or says what no store takes, costs its tag."""

from __future__ import annotations

from collections.abc import Callable

from .. import tags
from . import azureml, ci, distributions, git, governance, machine
from .admission import refusal
from .host import Host
from .notices import log, tell

Source = Callable[[Host], dict[str, str]]

CREATE = "create"
SCHEMA_VERSION = "1"


def stamp(host: Host) -> dict[str, str]:
    """The version of these names, and that the run got them when it was created."""
    return {tags.SCHEMA: SCHEMA_VERSION, tags.STAMPED_BY: CREATE}


def code(host: Host) -> dict[str, str]:
    """Git's own answer; what CI tells only where git is absent or agrees on the commit.

    CI checks out detached, so that git alone knows no branch there.
    """
    seen, told = git.checkout(host), ci.checkout(host)
    if seen and seen[tags.GIT_COMMIT] != told.get(tags.GIT_COMMIT):
        return seen
    return {**told, **seen}


SOURCES: tuple[Source, ...] = (
    stamp,
    code,  # before the others: `git status` works while they are asked
    ci.job,
    governance.declared,
    azureml.job,
    machine.image,
    distributions.digest,
    machine.hostname,
    git.dirty,  # last: by now it may have finished
)


def gather(host: Host) -> dict[str, str]:
    """What the sources say, in the order of importance.

    Asked again under the same variables, the answer is the same, but for a `git status` that was
    not done yet.
    """
    env, known = host.remembered.get("gathered", (None, {}))
    if env == host.env and (tags.GIT_DIRTY in known or tags.GIT_COMMIT not in known):
        return dict(known)
    found: dict[str, str] = {}
    for source in SOURCES:
        found.update(_fenced(source, host))
    known = {name: found[name] for name in tags.ORDER if name in found}
    host.remembered["gathered"] = (host.env, known)
    return dict(known)


def _fenced(source: Source, host: Host) -> dict[str, str]:
    try:
        return {name: value for name, value in source(host).items() if _admitted(name, value, host)}
    except Exception:  # the run matters more than our evidence
        log.debug("evidence: source %s failed", source.__name__, exc_info=True)
        return {}


def _admitted(name: str, value: object, host: Host) -> bool:
    problem = refusal(name, value, env=host.env)
    if problem:
        tell(problem)
    return problem is None
