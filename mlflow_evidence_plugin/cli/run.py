"""`run`: runs, and their artifacts, straight from the tracking store."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from .catalogue import bound_options, catalogue
from .destination import Destination, Refused
from .environment import environment
from .exits import INCOMPLETE
from .model import listing
from .options import output_options, tracking_option
from .output import Output, progress
from .text import Row, printable

RUNS = ("name", "display_name", "status", "experiment_name", "created_at", "created_by")
STATUS = {name.lower(): name for name in ("RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED")}
STATUS |= {"completed": "FINISHED", "canceled": "KILLED"}
STATUS |= dict.fromkeys(("notstarted", "preparing", "queued"), "SCHEDULED")
"""MLflow's, and Azure ML's for the same, as its documentation pairs them."""


@click.group()
def run() -> None:
    """Look at runs and their artifacts, as `az ml job` does."""


@run.command("list")
@click.option("--experiment", help="Only this experiment's; the default is all experiments.")
@click.option("--status", type=click.Choice(list(STATUS), case_sensitive=False))
@bound_options
@output_options
@tracking_option
def list_runs(
    experiment: str | None,
    status: str | None,
    most: int | None,
    out: Output,
    tracking_uri: str | None,
) -> None:
    """List runs, the newest first."""
    found = catalogue(tracking_uri).runs(experiment, STATUS.get(status or ""), most)
    out.show(found, lambda documents: listing(documents, RUNS), RUNS)


@run.command()
@click.argument("run_id")
@output_options
@tracking_option
def show(run_id: str, out: Output, tracking_uri: str | None) -> None:
    """Show one run."""
    out.show(catalogue(tracking_uri).run(run_id))


run.add_command(environment)


@run.command()
@click.argument("run_id")
@click.option("--path", default="", help="Only this artifact, or those below this folder.")
@click.option(
    "-p",
    "--dest",
    "--download-path",
    "dest",
    type=click.Path(path_type=Path, file_okay=False),
    default=".",
    show_default="this folder",
)
@click.option("--overwrite", is_flag=True, help="Replace files that are there already.")
@output_options
@tracking_option
def download(
    run_id: str, path: str, dest: Path, overwrite: bool, out: Output, tracking_uri: str | None
) -> None:
    """Download a run's artifacts. Exit code 1: some were left out, and the list says why."""
    found = _download(run_id, path.rstrip("/"), Destination(dest, overwrite), tracking_uri)
    out.show(found, _rows, ("path", "size", ""), items="files")
    for one in found["skipped"]:
        click.echo(_told(one), err=True)
    if found["skipped"]:
        sys.exit(INCOMPLETE)


def _download(
    run_id: str, path: str, destination: Destination, tracking_uri: str | None
) -> dict[str, Any]:
    from ..collect import Unreadable

    destination.check(path)
    files, gaps = catalogue(tracking_uri).files(run_id, path)
    destination.prepare()
    done: list[dict[str, Any]] = []
    skipped = [{"path": gap.place, "code": gap.code, "reason": gap.reason} for gap in gaps]
    with progress("downloading") as advance:
        for file in files:
            try:
                done.append({"path": file.path, "size": destination.save(file, advance)})
            except (Refused, Unreadable) as why:
                skipped.append({"path": file.path, "code": why.code, "reason": why.reason})
    return {"name": run_id, "dest": str(destination.folder), "files": done, "skipped": skipped}


def _rows(found: dict[str, Any]) -> list[Row]:
    rows: list[Row] = [(one["path"], f"{one['size']:,}", "") for one in found["files"]]
    return rows + [(one["path"], "", f"LEFT OUT ({one['code']})") for one in found["skipped"]]


def _told(skipped: dict[str, str]) -> str:
    return printable(f"left out: {skipped['path']}: {skipped['reason']}")
