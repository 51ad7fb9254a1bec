"""The database and the key, for the operator: on the service's own machine, not over REST."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from ..errors import BadConfig, NotInstalled
from .options import output_options
from .output import Output
from .text import cell
from .values import TARGET

KEYS = ("id", "not_before", "not_after")


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
@click.argument("path", type=TARGET)
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


@key.command("list")
@output_options
def list_keys(out: Output) -> None:
    """The keys that the service has signed with, the oldest first."""
    database = _database()
    try:
        found = [vars(one) for one in _keys(database).all()]
    finally:
        database.dispose()
    out.show(found, lambda keys: [[cell(one[name]) for name in KEYS] for one in keys], KEYS)


@key.command()
@click.option(
    "--overlap",
    "hours",
    default=24,
    show_default=True,
    type=click.IntRange(0),
    help="Hours for which parts of the service that run may sign with the old key.",
)
@output_options
def rotate(hours: int, out: Output) -> None:
    """Put a new key in the place of the service's. Then start the service anew.

    The old one is kept beside it, and stays in the trust document, with its end.
    """
    wiring, settings = _wiring()
    old, new = wiring.rotate_key(settings, timedelta(hours=hours))
    out.show({"retired": vars(old), "created": vars(new)}, _rotated)


@key.command()
@click.argument("key_id")
@output_options
def retire(key_id: str, out: Output) -> None:
    """Let nothing be signed with a key from now on. It stays in the trust document."""
    from ..policy.decision import rfc3339

    wiring, settings = _wiring()
    database = wiring.open_database(settings)
    try:
        found = vars(_keys(database).retire(key_id, rfc3339(wiring.now())))
    finally:
        database.dispose()
    out.show(found, lambda one: list(one.items()))


def _rotated(found: dict[str, Any]) -> list[tuple[str, str]]:
    old, new = found["retired"], found["created"]
    return [("retired", f"{old['id']}  at {old['not_after']}"), ("created", new["id"])]


def _keys(database: Any) -> Any:
    from ..storage import Keys

    database.check()
    return Keys(database)


def _wiring() -> tuple[Any, Any]:
    try:
        from .. import wiring
        from ..settings import Settings
    except ImportError as error:
        mend = "pip install 'mlflow-evidence-plugin[report]'"
        raise NotInstalled(f"for the database, {error.name} is missing", mend) from error
    return wiring, Settings.read()


def _database() -> Any:
    wiring, settings = _wiring()
    return wiring.open_database(settings)


def _tell(out: Output, database: Any, schema: str) -> None:
    where = database.shown
    database.dispose()
    out.show({"database": where, "schema": schema}, lambda told: list(told.items()))
