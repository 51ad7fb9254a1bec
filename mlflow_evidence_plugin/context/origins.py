"""Which value each tag would have here, and which source it comes from; for `doctor`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .. import tags
from . import azureml, ci, distributions, git, machine
from .admission import refusal
from .governance import misspelt, read
from .host import Host
from .notices import Problem
from .sources import SCHEMA_VERSION


@dataclass(frozen=True)
class Origin:
    """One tag without its prefix. Of an unknown one `value` is "", and `mend` tells what to do."""

    name: str
    value: str
    source: str
    mend: str = ""


_MEND = {
    tags.GIT_COMMIT: "train in a checkout, with git installed",
    tags.GIT_BRANCH: "a detached checkout has none; CI tells it",
    tags.GIT_DIRTY: "train in a checkout; a slow `git status` is left to a later run",
    tags.GIT_REMOTE: "git remote add origin ADDRESS",
    tags.CI_URL: "known in GitHub Actions, Azure Pipelines, GitLab CI and Jenkins",
    tags.CI_RUN: "known in GitHub Actions, Azure Pipelines, GitLab CI and Jenkins",
    tags.AZUREML_WORKSPACE: "known in an Azure ML job, or with a tracking URI azureml://",
    tags.AZUREML_JOB: "known in an Azure ML job",
    tags.IMAGE: "pass EVIDENCE_IMAGE to the container: docs/context.md",
    tags.ENV_DIGEST: "install the plugin beside what it trains with",
    tags.HOST: "give the machine a name",
}


def origins(host: Host) -> tuple[list[Origin], list[Problem]]:
    """Every tag in the order of importance, and what is wrong with what was given."""
    declared = read(host)
    problems = [*declared.problems, *misspelt(host)]
    found = {
        tags.SCHEMA: (SCHEMA_VERSION, "the plugin"),
        tags.STAMPED_BY: ("create, or resume", "the plugin"),
        **{tags.PREFIX + name: (one.value, one.source) for name, one in declared.values.items()},
    }
    for name, value, source in _found(host):
        if problem := refusal(name, value, env=host.env):
            problems.append(problem)
        else:
            found[name] = (value, source)
    return [_origin(name, *found.get(name, ("", ""))) for name in tags.ORDER], problems


def _origin(name: str, value: str, source: str) -> Origin:
    short = name.removeprefix(tags.PREFIX)
    mend = _MEND.get(name) or f"set EVIDENCE_{short.upper()}, or {short} in evidence.toml"
    return Origin(short, value, source, "" if value else mend)


def _found(host: Host) -> Iterator[tuple[str, str, str]]:
    """Tag, value and source; git before CI, as a run has it."""
    seen, told = git.checkout(host), ci.checkout(host)
    agree = not seen or seen[tags.GIT_COMMIT] == told.get(tags.GIT_COMMIT)
    parts: tuple[tuple[Callable[[Host], dict[str, str]], str], ...] = (
        (lambda _: told if agree else {}, "CI"),
        (lambda _: seen, "git"),
        (ci.job, "CI"),
        (azureml.job, _of_azure(host)),
        (machine.image, "EVIDENCE_IMAGE" if _says(host, "EVIDENCE_IMAGE") else "CI_JOB_IMAGE"),
        (distributions.digest, f"{len(distributions.lines(host))} installed distributions"),
        (machine.hostname, "the operating system"),
        (git.dirty, "git"),
    )
    for ask, source in parts:
        try:
            yield from ((name, value, source) for name, value in ask(host).items())
        except Exception:  # as for a run: what fails is not known  # noqa: S112
            continue


def _of_azure(host: Host) -> str:
    return "Azure ML's variables" if _says(host, "AZUREML_ARM_SUBSCRIPTION") else "the tracking URI"


def _says(host: Host, name: str) -> bool:
    return bool(host.env.get(name, "").strip())
