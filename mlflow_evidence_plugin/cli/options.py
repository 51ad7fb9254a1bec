"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import click

from ..errors import BadInput, NotFound
from . import output
from .query import QUERY, Query

Command = Callable[..., Any]

SEVERAL = "the policy has several environments"
"""What a policy says, here or in the service, where it needs to know which one."""

NO_STORE = "give --tracking-uri, or set MLFLOW_TRACKING_URI"
NO_PLACE = (
    "name the service: EVIDENCE_URL and EVIDENCE_TOKEN, or --url; or a tracking store: "
    "--tracking-uri, MLFLOW_TRACKING_URI or EVIDENCE_SERVICE_TRACKING_URI"
)
"""How to mend that nothing is named, for a command that may ask either of the two."""


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
    return tracking_option(url_option()(command))


def url_option(required: bool = False) -> Callable[[Command], Command]:
    """`--url` for the service, or its variable."""
    return click.option(
        "--url",
        envvar="EVIDENCE_URL",
        show_envvar=True,
        required=required,
        help="The evidence service.",
    )


@contextmanager
def naming(environment: str | None) -> Iterator[None]:
    """Where none was named and the policy has several, that is to be mended on the command line."""
    try:
        yield
    except NotFound as error:
        if environment is None and SEVERAL in error.detail:
            raise BadInput(error.detail, "name one of them with -e") from error
        raise


def tracking_option(command: Command) -> Command:
    """`--tracking-uri` for a store."""
    return click.option("--tracking-uri", help="Straight on a tracking store, without a service.")(
        command
    )
