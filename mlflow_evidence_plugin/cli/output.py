"""What is printed: JSON for programs, a table for people, tsv for shell scripts."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import click

from ..errors import BadInput, NotInstalled
from .query import Query
from .text import Row, columns, escaped, json_text, pairs, printable, tsv_lines

FORMS = ("json", "table", "tsv")
UNBOUNDED = 1 << 20
"""Columns; a table takes no more of them than its widest row."""
LABELLED = ("", "")
"""The header of a table of labels and values: none."""


@dataclass(frozen=True)
class Output:
    """The form that was asked for, and the query that comes before it."""

    form: str
    query: Query | None = None

    def show(
        self,
        document: Any,
        rows: Callable[[Any], Sequence[Row]] = pairs,
        header: Row = LABELLED,
        items: str | None = None,
        then: tuple[Callable[[Any], Sequence[Row]], Row] | None = None,
    ) -> None:
        """Print a document, or what the query selects of it.

        `rows` makes the table of the whole document, by default of its names and values; `items`
        names the part that tsv lists; `then` makes a second table, with its header, of what is
        about other things.
        """
        if self.query:
            document = self.query.of(document)
        if self.form == "json":
            click.echo(json_text(document))
        elif self.form == "tsv":
            whole = self.query or items is None
            for line in tsv_lines(document if whole else document[items]):
                click.echo(line)
        elif self.query:
            _found(escaped(document))
        else:
            _table(rows(escaped(document)), header)
            if then and (more := then[0](escaped(document))):
                click.echo()
                _table(more, then[1])


def default_format() -> str:
    """A table on a terminal where rich is installed, JSON everywhere else."""
    return "table" if sys.stdout and sys.stdout.isatty() and _rich_is_there() else "json"


def tell(detail: str, mend: str = "") -> None:
    """An error, as two lines: what it names may come from strangers too."""
    click.echo(f"error: {printable(detail)}", err=True)
    if mend:
        click.echo(f"  mend: {printable(mend)}", err=True)


def _found(document: Any) -> None:
    header, rows = columns(document)
    if rows and not header:
        mend = "select plain values, like --query '[].name', or use -o json"
        raise BadInput("there is nothing in the answer that a table could show", mend)
    if rows:
        _table(rows, header)


def _table(rows: Sequence[Row], header: Row) -> None:
    if not _rich_is_there():
        mend = "pip install 'mlflow-evidence-plugin[verify]', or use -o json"
        raise NotInstalled("tables need the package rich", mend)
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", show_header=any(header))
    for name in header:
        table.add_column(Text(printable(name)))  # text, never rich's markup
    for row in rows:
        table.add_row(*(Text(printable(cell, keep="\n"), overflow="fold") for cell in row))
    console = Console(width=_width())
    with console.capture() as drawn:
        console.print(table)
    text = "".join(f"{line.rstrip()}\n" for line in drawn.get().splitlines())
    click.echo(text, nl=False)  # click says what an ASCII terminal cannot


def _width() -> int | None:
    """As wide as the terminal, or as COLUMNS says; else as its rows, so that ids stay whole."""
    on_terminal = sys.stdout is not None and sys.stdout.isatty()
    return None if on_terminal or os.environ.get("COLUMNS") else UNBOUNDED


@contextmanager
def progress(doing: str) -> Iterator[Callable[[int], None]]:
    """A progress bar of bytes read, on a terminal; nothing elsewhere."""
    if not (sys.stderr.isatty() and _rich_is_there()):
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import DownloadColumn, Progress, SpinnerColumn, TransferSpeedColumn

    columns = (SpinnerColumn(), doing, DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(doing, total=None)
        yield lambda count: bar.advance(task, count)


def _rich_is_there() -> bool:
    from importlib.util import find_spec

    return find_spec("rich") is not None
