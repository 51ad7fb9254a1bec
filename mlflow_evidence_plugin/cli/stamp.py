"""`stamp`: the runs that nobody has stamped, and what can still be said of them."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping

import click

from ..errors import Conflict, EvidenceError, NotFound, StoreRefused
from ..tags import GOVERNANCE
from .backfill import Document, Runs, runs_of
from .exits import AWAY, INCOMPLETE, exit_code
from .options import output_options, place_options
from .output import Output, tell
from .text import Row, cell, printable

HEADER = ("run", "experiment", "started", "tags")
PATIENCE = 3
"""Runs in a row for which the store was away, before the rest is left alone."""
OF_ONE = (NotFound, Conflict, StoreRefused)
"""What says nothing about the other runs."""

_SET = re.compile(r"(?P<name>[a-z_]+)=(?P<value>.*)", re.DOTALL)


@click.command()
@click.option("--experiment", "experiments", multiple=True, help="Only this one's. Repeatable.")
@click.option("--run", "run_ids", multiple=True, metavar="RUN_ID", help="Only this. Repeatable.")
@click.option(
    "--set", "values", multiple=True, metavar="NAME=VALUE", help="A value to give. Repeatable."
)
@click.option("--apply", is_flag=True, help="Write the tags; without it nothing is written.")
@click.option("--max", "most", type=click.IntRange(1), default=1000, show_default=True)
@output_options
@place_options
def stamp(
    experiments: tuple[str, ...],
    run_ids: tuple[str, ...],
    values: tuple[str, ...],
    apply: bool,
    most: int,
    out: Output,
    url: str | None,
    tracking_uri: str | None,
) -> None:
    """Find the runs that carry no governance tags, and stamp them with what is known now.

    Shows what each run would get; --apply writes it. What a run carries is never overwritten.
    NAME is one of owner, support, team, … Exit code 1: some runs could not be stamped.
    """
    if experiments and run_ids:
        raise click.UsageError("give --experiment or --run, not both")
    runs = runs_of(url, tracking_uri, _given(values))
    named = [{"experiment": one} for one in experiments] or [{"run_id": one} for one in run_ids]
    done = Done(runs, most, apply)
    for which in named or [{}]:
        done.add(which)
    out.show(done.document(), _rows, HEADER, items="items")
    for one in done.skipped:
        click.echo(printable(f"left out: {one['run_id']}: {one['reason']}"), err=True)
    if done.truncated:
        click.echo(f"only the first {most} runs; run it again, or give --max", err=True)
    if done.error:
        tell(done.error.detail, done.error.mend)
    sys.exit(done.code)


class Done:
    """What was found, or stamped, so far. Memory holds what is shown of it, and no more."""

    def __init__(self, runs: Runs, most: int, apply: bool) -> None:
        self.runs, self.most, self.apply = runs, most, apply
        self.items: list[Document] = []
        self.skipped: list[Document] = []
        self.truncated = False
        self.error: EvidenceError | None = None
        self._away = 0

    @property
    def code(self) -> int:
        """The exit code."""
        if self.error:
            return exit_code(self.error)
        return INCOMPLETE if self.skipped else 0

    def document(self) -> Document:
        """What is printed."""
        told = {"applied": self.apply, "items": self.items, "skipped": self.skipped}
        return {**told, "truncated": self.truncated}

    def add(self, which: Mapping[str, str]) -> None:
        """Go through the runs that are named so; an error ends it, but for one named run's."""
        if self.error:
            return
        try:
            for run in self.runs.unstamped(**which):
                if len(self.items) + len(self.skipped) == self.most:
                    self.truncated = True
                    return
                self._one(run)
        except EvidenceError as error:
            if "run_id" in which and isinstance(error, OF_ONE):
                self._skip(which["run_id"], error)
            else:
                self.error = error

    def _one(self, run: Document) -> None:
        if not self.apply:
            self.items.append(run)
            return
        try:
            stamped = self.runs.stamp(run["run_id"])
        except EvidenceError as error:
            away = exit_code(error) == AWAY
            self._away = self._away + 1 if away else 0
            if self._away == PATIENCE or not (away or isinstance(error, OF_ONE)):
                raise
            self._skip(run["run_id"], error)
            return
        self._away = 0
        if stamped:  # none: somebody else was there first
            kept = {name: run[name] for name in ("run_id", "experiment", "started_at")}
            self.items.append({**kept, "stamped": dict(stamped)})

    def _skip(self, run_id: str, error: EvidenceError) -> None:
        self.skipped.append({"run_id": run_id, "code": error.code, "reason": error.detail})


def _given(values: tuple[str, ...]) -> dict[str, str]:
    parts = [_SET.fullmatch(one) for one in values]
    names = [part["name"] for part in parts if part]
    if None in parts or len(set(names)) < len(parts):
        raise click.UsageError("write each --set as NAME=VALUE, each name once")
    if unknown := [name for name in names if name not in GOVERNANCE]:
        raise click.UsageError(f"{unknown[0]} is not known; known: {', '.join(GOVERNANCE)}")
    return {part["name"]: part["value"] for part in parts if part}


def _rows(found: Document) -> list[Row]:
    return [
        _row(one, one["stamped"] if found["applied"] else one["would_stamp"])
        for one in found["items"]
    ]


def _row(run: Document, tags: Mapping[str, str]) -> Row:
    told = "\n".join(f"{name} = {value}" for name, value in tags.items())
    return (run["run_id"], run["experiment"], cell(run["started_at"]), told)
