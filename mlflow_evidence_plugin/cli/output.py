"""What is printed: JSON for programs, a table for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from ..errors import NotInstalled


def default_format() -> str:
    """A table on a terminal where rich is installed, JSON everywhere else."""
    return "table" if sys.stdout and sys.stdout.isatty() and _rich_is_there() else "json"


def show(form: str, document: Any, rows: Sequence[Sequence[str]], header: Sequence[str]) -> None:
    """Print a document as it is, or the rows made of it."""
    if form == "json":
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        _table(rows, header)


def _table(rows: Sequence[Sequence[str]], header: Sequence[str]) -> None:
    if not _rich_is_there():
        mend = "pip install 'mlflow-evidence-plugin[verify]', or use -o json"
        raise NotInstalled("tables need the package rich", mend)
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    named = any(header)
    table = Table(*header, box=None, pad_edge=False, header_style="bold", show_header=named)
    for row in rows:
        table.add_row(*(Text(_printable(cell), overflow="fold") for cell in row))
    console = Console()
    with console.capture() as drawn:
        console.print(table)
    click.echo(drawn.get(), nl=False)  # click says what an ASCII terminal cannot


def _printable(cell: str) -> str:
    """Names and values come from strangers: none of them may steer the terminal."""
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in cell)


@contextmanager
def hashing() -> Iterator[Callable[[int], None]]:
    """A progress bar of bytes read, on a terminal; nothing elsewhere."""
    if not (sys.stderr.isatty() and _rich_is_there()):
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import DownloadColumn, Progress, SpinnerColumn, TransferSpeedColumn

    columns = (SpinnerColumn(), "reading and hashing", DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("hash", total=None)
        yield lambda count: progress.advance(task, count)


def _rich_is_there() -> bool:
    from importlib.util import find_spec

    return find_spec("rich") is not None
