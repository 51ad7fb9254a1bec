"""`store`: the tracking store itself."""

from __future__ import annotations

import click

from .catalogue import catalogue
from .options import output_options, tracking_option
from .output import Output


@click.group()
def store() -> None:
    """Look at the tracking store, as `az ml workspace` does."""


@store.command()
@output_options
@tracking_option
def show(out: Output, tracking_uri: str | None) -> None:
    """Show the store, once it has answered."""
    out.show(catalogue(tracking_uri).workspace())
