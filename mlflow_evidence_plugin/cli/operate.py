"""The database and the key, for the operator: on the service's own machine, not over REST."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..errors import BadConfig, NotInstalled
from .options import output_options
from .output import Output


@click.group()
def db() -> None:
    """Look at the service's database, or bring its schema up to date."""


@db.command()
@output_options
def check(out: Output) -> None:
    """Does the database answer, with the schema of this version? Exit code 7: it is another."""
    database = _database()
    _tell(out, database, database.check())


@db.command()
@output_options
def upgrade(out: Output) -> None:
    """Bring the schema up to date. Nothing is done where it is; run it again if it was cut off."""
    database = _database()
    database.migrate()
    _tell(out, database, database.check())


@click.group()
def key() -> None:
    """The key that the service signs with."""


@key.command()
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False))
def create(path: Path) -> None:
    """Make a key (ECDSA P-256) at PATH, for its owner only, and print its public half.

    Several machines that serve one store sign with one key: EVIDENCE_SERVICE_SIGNING_KEY.
    """
    try:
        from ..signing import SigningKey
    except ImportError as error:
        mend = "pip install 'mlflow-evidence-plugin[verify]'"
        raise NotInstalled(f"for keys, {error.name} is missing", mend) from error
    if path.exists():
        raise BadConfig(f"there is a file at {path} already", "name another: no key is replaced")
    click.echo(SigningKey.create(path).public_pem.decode(), nl=False)


def _database() -> Any:
    try:
        from .. import wiring
        from ..settings import Settings
    except ImportError as error:
        mend = "pip install 'mlflow-evidence-plugin[report]'"
        raise NotInstalled(f"for the database, {error.name} is missing", mend) from error
    return wiring.open_database(Settings.read())


def _tell(out: Output, database: Any, schema: str) -> None:
    where = database.shown
    database.dispose()
    out.show({"database": where, "schema": schema}, lambda told: list(told.items()))
