"""`drift`: what changed since the evidence was signed, or since the set-up was declared."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from .exits import AWAY, DENIED
from .options import output_options, place_options
from .output import Output
from .subjects import FORMS, SUBJECT
from .text import Row, cell

HEAD = ("what", "", "was", "is")
FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(
    help=f"Compare SUBJECT ({FORMS}) as MLflow has it now with its newest evidence, or with "
    "--intent the set-up of this machine and of the service with what a file declares. Exit code "
    "1: it has drifted; 6: nothing was found, but not everything is known."
)
@click.argument("subject", type=SUBJECT, metavar="SUBJECT", required=False)
@click.option("--artifacts", is_flag=True, help="Read every file; else they go by their size.")
@click.option("--intent", type=FILE, metavar="FILE", help="YAML: what the set-up should be.")
@output_options
@place_options
def drift(
    subject: dict[str, str] | None,
    artifacts: bool,
    intent: Path | None,
    out: Output,
    url: str | None,
    tracking_uri: str | None,
) -> None:
    """What changed."""
    if (subject is None) == (intent is None):
        raise click.UsageError("give a SUBJECT, or --intent FILE: one of them")
    if intent is not None:
        found = _declared(intent, url, tracking_uri)
    else:
        from .backend import backend

        found = backend(url, tracking_uri).drift(subject or {}, artifacts)
    out.show(found, rows, HEAD)
    if found["drifted"] is not False:
        sys.exit(DENIED if found["drifted"] else AWAY)


def rows(found: dict[str, Any]) -> list[Row]:
    """A row for each change, and for each thing that is not known."""
    told: list[Row] = [
        (one["what"], one["kind"], cell(one["was"]), cell(one["is"])) for one in found["findings"]
    ]
    told += [(one["what"], "not known", one["why"], "") for one in found["unknown"]]
    return told or [(found.get("subject", "the set-up"), "unchanged", "", "")]


def _declared(path: Path, url: str | None, tracking_uri: str | None) -> dict[str, Any]:
    from .checks import Place
    from .intent import compare, read_intent

    place = Place(url, tracking_uri or os.environ.get("MLFLOW_TRACKING_URI"))
    return compare(read_intent(path), place)
