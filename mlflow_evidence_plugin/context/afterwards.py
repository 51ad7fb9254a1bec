"""What can be known of a run after the fact: from what MLflow noted of it, and from its store."""

from __future__ import annotations

from collections.abc import Mapping

from .. import tags
from ..errors import BadInput
from . import azureml
from .admission import refusal
from .git import COMMIT
from .host import Host
from .secrecy import public_remote
from .sources import SCHEMA_VERSION

BACKFILL = "backfill"

NOTED = {
    tags.GIT_COMMIT: "mlflow.source.git.commit",
    tags.GIT_BRANCH: "mlflow.source.git.branch",
    tags.GIT_REMOTE: "mlflow.source.git.repoURL",
}
"""What MLflow itself notes of the code that made a run."""


def stamped(there: Mapping[str, str]) -> bool:
    """Whether a run with these tags carries ours."""
    return tags.SCHEMA in there


def missing(
    run_id: str, there: Mapping[str, str], store: Mapping[str, str], given: Mapping[str, str]
) -> dict[str, str]:
    """The tags that a bare run would get: most important first, none that it has already.

    `store` are the variables that tell where the run is kept, as a job there would have them;
    `given` is what `checked` let through.
    """
    mark = {tags.SCHEMA: SCHEMA_VERSION, tags.STAMPED_BY: BACKFILL}
    where = azureml.job(Host(env={**store, "AZUREML_RUN_ID": run_id}))
    found = {**_code(there), **where, **given, **mark}
    return {
        name: found[name]
        for name in tags.ORDER
        if name in found and name not in there and refusal(name, found[name]) is None
    }


def checked(values: Mapping[str, str]) -> dict[str, str]:
    """Governance values as tags, as somebody gives them now; BadInput for one that is unfit."""
    unknown = sorted(values.keys() - set(tags.GOVERNANCE))
    if unknown:
        said = f"{len(unknown)} of the names that are given are not names of governance values"
        raise BadInput(said, f"known are {', '.join(tags.GOVERNANCE)}")
    found = {tags.PREFIX + name: value for name, value in values.items()}
    for name, value in found.items():
        if problem := refusal(name, value):
            raise BadInput(f"{problem.subject}: {problem.reason}", problem.mend)
    return found


def _code(there: Mapping[str, str]) -> dict[str, str]:
    found = {name: there.get(noted, "").strip() for name, noted in NOTED.items()}
    if not COMMIT.fullmatch(found[tags.GIT_COMMIT]):
        return {}  # a branch without its commit names no code
    found[tags.GIT_REMOTE] = public_remote(found[tags.GIT_REMOTE]) or ""
    return {name: value for name, value in found.items() if value}
