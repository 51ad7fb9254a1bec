"""VERIFY.md: how to check an archive with our program, and with those of others."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from ..record import Record
from ..statements.purl import purl


def instructions(record: Record, members: Sequence[str], origin: str, files: bool = False) -> bytes:
    """The page for one archive: its commands name the members that it has.

    `files` tells whether some are files of the run or the model.
    """
    bundles = [name for name in members if name.endswith(".sigstore.json")]
    page = _template().render(
        subject=record.subject,
        record=record,
        resource=purl(record),
        verdicts=[name for name in members if name.endswith(".dsse.json")],
        release=next(name for name in bundles if name.endswith("-release.sigstore.json")),
        signature="model.sig" in members,
        origin=origin,
        files=files,
    )
    return page.encode()


def _plain(text: str) -> str:
    """A stranger's name, in which nothing can end the code that it stands in."""
    return "".join(c if c.isprintable() and c not in "`\\" else "?" for c in text)


@cache
def _template() -> Template:
    environment = Environment(  # noqa: S701 - text, not HTML; strangers' names go through `plain`
        loader=PackageLoader("mlflow_evidence_plugin.render"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters["plain"] = _plain
    return environment.get_template("VERIFY.md")
