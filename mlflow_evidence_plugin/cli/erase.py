"""`erase`: take evidence away for good, and leave a signed tombstone."""

from __future__ import annotations

import json
import re
import sys

import click

from ..errors import BadInput
from .options import output_options, place_options
from .output import Output
from .subjects import SUBJECT
from .text import Row

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@click.command()
@click.argument("named", metavar="SUBJECT|DIGEST")
@click.option("--reason", required=True, help="One line. It is signed, shown, and kept for good.")
@click.option("--yes", is_flag=True, help="Do not ask first.")
@output_options
@place_options
def erase(
    named: str, reason: str, yes: bool, out: Output, url: str | None, tracking_uri: str | None
) -> None:
    """Erase the newest evidence of SUBJECT, or the record DIGEST, and all that was said of it.

    Digests and a signed tombstone are left. The run in the tracking store is not touched: mend or
    delete it there. Other records of the same run are erased one by one.
    """
    from .backend import backend

    place = backend(url, tracking_uri)
    if _DIGEST.fullmatch(named):
        digest = what = named
    else:
        digest = json.loads(place.show(SUBJECT.convert(named, None, None)))["digest"]
        what = f"{named}, {digest},"
    if not yes:
        _ask(what)
    out.show(place.erase(digest, reason), _rows)


def _ask(what: str) -> None:
    try:
        sure = click.confirm(f"Erase {what} for good? This cannot be undone", err=True)
    except click.Abort as error:
        if sys.stdin is not None and sys.stdin.isatty():
            raise
        mend = "ask again with --yes, which erases without asking"
        raise BadInput("there is no terminal, and nobody answered", mend) from error
    if not sure:
        raise click.Abort


def _rows(told: dict[str, object]) -> list[Row]:
    erased = told.get("erased")
    said = {**told, "erased": len(erased) if isinstance(erased, list) else 0}
    return [(name, str(value)) for name, value in said.items()]
