"""`model`: registered models, straight from the registry."""

from __future__ import annotations

from typing import Any

import click

from .catalogue import bound_options, catalogue
from .options import output_options, tracking_option
from .output import Output
from .text import Row, cell

MODELS = ("name", "latest_version", "description", "created_at")
VERSIONS = ("name", "version", "stage", "job_name", "created_at", "created_by")


@click.group()
def model() -> None:
    """Look at registered models, as `az ml model` does."""


@model.command("list")
@click.option("-n", "--name", help="The versions of this model, newest first.")
@bound_options
@output_options
@tracking_option
def list_models(name: str | None, most: int | None, out: Output, tracking_uri: str | None) -> None:
    """List the models, or the versions of one."""
    shelf = catalogue(tracking_uri)
    found, names = (
        (shelf.models(most), MODELS) if name is None else (shelf.versions(name, most), VERSIONS)
    )
    out.show(found, lambda documents: listing(documents, names), names)


@model.command()
@click.option("-n", "--name", required=True)
@click.option("-v", "--version")
@click.option("--alias", help="The version that holds it now.")
@output_options
@tracking_option
def show(
    name: str, version: str | None, alias: str | None, out: Output, tracking_uri: str | None
) -> None:
    """Show one version, by its number or by an alias."""
    if bool(version) == bool(alias):
        raise click.UsageError("give --version or --alias, one of them")
    out.show(catalogue(tracking_uri).version(name, version, alias))


def listing(documents: list[dict[str, Any]], names: Row) -> list[Row]:
    """Rows of some names; the times and people stand in the context of the creation."""
    flat = [{**one, **one.get("creation_context", {})} for one in documents]
    return [[cell(one.get(name)) for name in names] for one in flat]
