"""`run environment`: what this environment consists of, and whether a run was made in it."""

from __future__ import annotations

import sys
from typing import Any

import click

from ..context.environment import canonical, document, path
from ..context.host import observe
from ..errors import BadInput, Conflict
from ..tags import ENV_DIGEST
from .catalogue import catalogue
from .options import output_options, tracking_option
from .output import Output
from .text import Row

DIFFERENT = 1


@click.command()
@click.argument("run_id", required=False)
@click.option("--log", is_flag=True, help="Log it to the run, if the run was made in it.")
@output_options
@tracking_option
def environment(run_id: str | None, log: bool, out: Output, tracking_uri: str | None) -> None:
    """Show this environment's document; with RUN_ID, whether that run was made in it.

    Exit code 1: it was made in another one, or does not say in which.
    """
    here = document(observe())
    if here is None:
        raise BadInput("no distributions were found here", "run it in the environment that trains")
    if run_id is None:
        if log:
            raise click.UsageError("--log needs a RUN_ID")
        out.show(here, _rows)
        return
    compared = _compare(run_id, here, log, tracking_uri)
    out.show(compared)
    if not compared["same"]:
        sys.exit(DIFFERENT)


def _compare(
    run_id: str, here: dict[str, Any], log: bool, tracking_uri: str | None
) -> dict[str, Any]:
    from ..collect import Writer

    writer = Writer(catalogue(tracking_uri).store)
    theirs = writer.tags(run_id).get(ENV_DIGEST)
    found = {
        "name": run_id,
        "here": here["digest"],
        "run": theirs,
        "same": theirs == here["digest"],
    }
    if not log:
        return found
    if not found["same"]:
        why = f"its {ENV_DIGEST} is another" if theirs else f"it has no {ENV_DIGEST}"
        mend = "run this in the environment that trained it"
        raise Conflict(f"run {run_id} was not made in this environment: {why}", mend)
    writer.log_text(run_id, canonical(here), path(here))
    return {**found, "artifact": path(here)}


def _rows(told: dict[str, Any]) -> list[Row]:
    facts: list[Row] = [(name, str(told[name])) for name in ("schema", "digest")]
    for group, known in told.items():
        if isinstance(known, dict):
            facts += [(f"{group}.{name}", value) for name, value in known.items()]
    return [*facts, ("distributions", "\n".join(told["distributions"]))]
