"""`ticket`: all that belongs to a change ticket, to look at and to hand over."""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from ..errors import BadInput, NotFound
from .options import output_options, place_options
from .output import Output
from .text import Row
from .values import TARGET

HEAD = ("subject", "named by", "owner", "verdicts", "approvals", "waivers", "lacks")


@click.command()
@click.argument("key")
@click.option(
    "--save",
    type=click.Path(path_type=Path),
    help="A folder, or a file that ends with .zip: the archives, a summary, and the JSON.",
)
@output_options
@place_options
def ticket(
    key: str, save: Path | None, out: Output, url: str | None, tracking_uri: str | None
) -> None:
    """Show what was trained, judged, approved and waived under the change ticket KEY."""
    from .backend import backend

    if save is not None and _is_zip(save):
        TARGET.convert(save, None, None)
    place = backend(url, tracking_uri)
    found = place.ticket(key)
    if not found["items"]:
        mend = "name it in EVIDENCE_TICKET (or evidence.toml), or in an approval"
        raise NotFound(f"no evidence that you may see belongs to the ticket {key}", mend)
    if save is not None:
        _save(found, place, save)
    out.show(found, _rows, HEAD, items="items")


def _is_zip(save: Path) -> bool:
    return save.suffix.lower() == ".zip"


def _save(found: dict[str, Any], place: Any, save: Path) -> None:
    from .verifying import whole

    if not _is_zip(save):
        if save.exists() and (not save.is_dir() or any(save.iterdir())):
            raise BadInput(f"{save} is there already", "name a folder that is new, or empty")
        save.mkdir(parents=True, exist_ok=True)
        _export(found, place, save)
        return
    with tempfile.TemporaryDirectory(prefix="evidence-") as folder, whole(save) as file:
        _export(found, place, Path(folder))
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as packed:
            for path in sorted(Path(folder).rglob("*.*")):
                packed.write(path, path.relative_to(folder).as_posix())


def _export(found: dict[str, Any], place: Any, folder: Path) -> None:
    """The archives first: what the summary names is there when it is written."""
    from ..render.ticket import html, markdown

    archives = folder / "archives"
    archives.mkdir()
    for name, digest in _archives(found):
        with (archives / name).open("wb") as file:
            for piece in place.archive_of(digest):
                file.write(piece)
    told = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
    (folder / "ticket.json").write_text(told, "utf-8")
    (folder / "summary.md").write_bytes(markdown(found))
    (folder / "summary.html").write_bytes(html(found))


def _archives(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """One of each subject: it holds all that was signed about it, also under earlier records."""
    newest = {one["subject"]: one for one in reversed(found["items"])}
    for number, one in enumerate(reversed(newest.values()), 1):
        one["archive"] = name = f"{number:03d}-{_plain(one['subject'])}.evidence.zip"
        for other in found["items"]:
            if other["subject"] == one["subject"]:
                other["archive"] = f"archives/{name}"
        yield name, one["digest"]


def _plain(subject: str) -> str:
    """A name of our own: models are called what strangers like."""
    kind, _, rest = subject.partition("/")
    said = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "_" for c in rest)
    return f"{kind.rstrip('s')}-{said[:80]}"


def _rows(found: dict[str, Any]) -> list[Row]:
    return [
        (
            one["subject"] if one["newest"] else f"{one['subject']} (earlier)",
            " ".join(one["named_by"]),
            one["owner"] or "",
            ", ".join(f"{where}: {status}" for where, status in one["verdicts"].items()),
            "\n".join(f"{a['approver']} {a['decision']} ({a['state']})" for a in one["approvals"]),
            "\n".join(f"{w['rule']} in {w['environment']} ({w['state']})" for w in one["waivers"]),
            " ".join(one["lacks"]),
        )
        for one in found["items"]
    ]
