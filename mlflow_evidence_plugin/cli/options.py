"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from . import output
from .query import QUERY, Query

Command = Callable[..., Any]


def output_options(command: Command) -> Command:
    """`-o` and `--query`; the command gets both as `out`."""

    @click.option(
        "-o",
        "--output",
        "form",
        type=click.Choice(output.FORMS),
        default=output.default_format,
        show_default="table on a terminal, else json",
    )
    @click.option("--query", type=QUERY, help="JMESPath: what of the document to print.")
    @wraps(command)
    def with_output(*args: Any, form: str, query: Query | None, **options: Any) -> Any:
        return command(*args, out=output.Output(form, query), **options)

    return with_output


def place_options(command: Command) -> Command:
    """`--url` for the service, `--tracking-uri` for a store."""
    command = click.option("--url", envvar="EVIDENCE_URL", help="The evidence service.")(command)
    return tracking_option(command)


def tracking_option(command: Command) -> Command:
    """`--tracking-uri` for a store."""
    return click.option("--tracking-uri", help="Straight on a tracking store, without a service.")(
        command
    )
