"""One function a section: facts from a snapshot, each with its basis.

A record holds only what is true of the subject: no time of capture, no alias, nothing that we
wrote back ourselves, so that an unchanged run gives the same bytes again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import tags as names
from ..snapshot import Artifact, RunSnapshot
from .facts import (
    CLAIMED,
    OBSERVED,
    RUN,
    SERVICE,
    STORE,
    Section,
    absent,
    fact,
    moment,
    number,
    section,
    whole,
)

GIT_TAGS = {
    "commit": (names.GIT_COMMIT, "mlflow.source.git.commit"),
    "branch": (names.GIT_BRANCH, "mlflow.source.git.branch"),
    "remote": (names.GIT_REMOTE, "mlflow.source.git.repoURL"),
    "dirty": (names.GIT_DIRTY,),
    "entry_point": ("mlflow.source.name",),
    "ci_url": (names.CI_URL,),
    "ci_run": (names.CI_RUN,),
}
WRITE_BACK_PREFIX = "evidence.link."
ENVIRONMENT_FILES = ("requirements.txt", "conda.yaml", "python_env.yaml")


def run(of: RunSnapshot) -> Section:
    """Identity, status, whether it is deleted, and times."""
    observed: dict[str, Any] = {
        "run_id": of.run_id,
        "experiment_id": of.experiment_id,
        "experiment": of.experiment,
        "status": of.status,
        "lifecycle": of.lifecycle,
    }
    for name, at in (("started", of.start_time), ("ended", of.end_time)):
        if at:
            observed[name] = moment(at)
    facts = {key: fact(value, OBSERVED, STORE) for key, value in observed.items()}
    for name, value in (("name", of.name), ("user", of.user)):
        if value:
            facts[name] = fact(value, CLAIMED, RUN)
    return {"facts": facts}


def parameters(of: RunSnapshot) -> Section:
    """What the training code said it was run with."""
    return section(of.parameters, CLAIMED, RUN, "the run logged no parameters")


def metrics(of: RunSnapshot) -> Section:
    """The latest value of each metric, as decimal text."""
    values: dict[str, dict[str, Any]] = {}
    for metric in of.metrics:
        values[metric.key] = {"value": number(metric.value)}
        if metric.step is not None and metric.timestamp is not None:
            at = {"step": whole(metric.step), "time": moment(metric.timestamp)}
            values[metric.key] |= at
    return section(values, CLAIMED, RUN, "the run logged no metrics")


def history(of: RunSnapshot) -> Section:
    """Each metric's whole series: its figures, and the digest under which the points are kept."""
    values = {
        s.key: {
            "count": s.count,
            "first": number(s.first),
            "last": number(s.last),
            "min": number(s.low),
            "max": number(s.high),
            "digest": s.digest,
        }
        for s in of.series
    }
    return section(values, CLAIMED, RUN, "no metric history could be read")


def tags(of: RunSnapshot) -> Section:
    """Tags that are neither governance nor our own write-back."""
    values = {k: v for k, v in of.tags.items() if not k.startswith(names.PREFIX)}
    return section(values, CLAIMED, RUN, "the run has no tags")


def governance(of: RunSnapshot) -> Section:
    """Our tags, without their prefix."""
    values = {
        k.removeprefix(names.PREFIX): v
        for k, v in of.tags.items()
        if k.startswith(names.PREFIX) and not k.startswith(WRITE_BACK_PREFIX)
    }
    return section(values, CLAIMED, RUN, "the run was not stamped: the plugin was not installed")


def inputs(of: RunSnapshot) -> Section:
    """Datasets; two with one name are told apart by their digest."""
    values = {
        f"{d.name}@{d.digest}": {
            "name": d.name,
            "digest": d.digest,
            "source_type": d.source_type,
            "source": d.source,
            "context": d.context,
        }
        for d in of.inputs
    }
    return section(values, CLAIMED, RUN, "the run logged no inputs")


def code(of: RunSnapshot) -> Section:
    """Where the code came from: our git and CI tags, else MLflow's own."""
    values = {}
    for name, candidates in GIT_TAGS.items():
        known = next((of.tags[tag] for tag in candidates if of.tags.get(tag)), None)
        if known:
            values[name] = known
    return section(values, CLAIMED, RUN, "no tag says where the code came from")


def environment(of: RunSnapshot) -> Section:
    """What the run was run in: a digest of the distributions, and the environment files."""
    facts = {}
    if of.tags.get(names.ENV_DIGEST):
        facts["distributions"] = fact(of.tags[names.ENV_DIGEST], CLAIMED, RUN)
    for artifact in environment_files(of.artifacts):
        facts[artifact.path] = fact("sha256:" + artifact.sha256, OBSERVED, SERVICE)
    return {"facts": facts} if facts else absent("no environment was logged")


def environment_files(artifacts: tuple[Artifact, ...]) -> list[Artifact]:
    """The files in which MLflow writes down what a model needs to run."""
    return [a for a in artifacts if a.path.rsplit("/", 1)[-1] in ENVIRONMENT_FILES]


def compute(of: RunSnapshot) -> Section:
    """The machine or image the run was run on, and where the job can be looked at."""
    known = {"host": names.HOST, "image": names.IMAGE, "job": names.AZUREML_JOB}
    values = {name: of.tags[tag] for name, tag in known.items() if of.tags.get(tag)}
    return section(values, CLAIMED, RUN, "no tag says what the run was run on")


def outputs(of: RunSnapshot) -> Section:
    """Every artifact with the size and digest of the bytes that we read."""
    return files(of.artifacts, "the run logged no artifacts, or none could be read")


def files(artifacts: tuple[Artifact, ...], otherwise: str) -> Section:
    """Files as facts that we observed ourselves."""
    values = {a.path: {"size": a.size, "sha256": a.sha256} for a in artifacts}
    return section(values, OBSERVED, SERVICE, otherwise)


def models(of: RunSnapshot) -> Section:
    """Logged models of the run, and the registered versions made from it."""
    values: dict[str, Any] = {
        m.model_id: {"kind": "logged model", "name": m.name, "status": m.status}
        for m in of.logged_models
    }
    for name, version in of.versions:
        key = f"models/{name}/{version}"
        values[key] = {"kind": "model version", "name": name, "version": version}
    return section(values, OBSERVED, STORE, "the run has no models")


def lineage(of: RunSnapshot) -> Section:
    """Parent and child runs."""
    facts = {}
    if of.parent:
        facts["parent"] = fact(of.parent, CLAIMED, RUN)
    if of.children:
        facts["children"] = fact(sorted(of.children), OBSERVED, STORE)
    return {"facts": facts} if facts else absent("the run has no parent and no children")


def cost(of: RunSnapshot) -> Section:
    """What the run used, in bytes and milliseconds. Prices are no fact of a run."""
    facts = {"artifact_bytes": fact(sum(a.size for a in of.artifacts), OBSERVED, SERVICE)}
    if of.start_time and of.end_time and of.end_time >= of.start_time:
        facts["duration_ms"] = fact(whole(of.end_time - of.start_time), OBSERVED, STORE)
    return {"facts": facts}


SECTIONS: tuple[Callable[[RunSnapshot], Section], ...] = (
    run,
    parameters,
    metrics,
    history,
    tags,
    governance,
    inputs,
    code,
    environment,
    compute,
    outputs,
    models,
    lineage,
    cost,
)
