"""`archive` and `verify`: evidence as a file, and whether it holds."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import NotInstalled
from .exits import UNVERIFIED
from .options import output_options, place_options
from .output import Output
from .subjects import SUBJECT
from .text import printable
from .values import BYTES, TARGET

if TYPE_CHECKING:
    from ..verify import Report

FILES = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@click.argument("subject", type=SUBJECT, metavar="SUBJECT")
@click.option("--save", type=TARGET, required=True)
@click.option(
    "--size", type=click.IntRange(0), help="Of the log, at a head that you keep: see `ledger`."
)
@click.option(
    "--artifacts",
    type=BYTES,
    default=0,
    metavar="BYTES",
    help="So many bytes of the files that the record names go with it, the smallest first.",
)
@output_options
@place_options
def archive(
    subject: dict[str, str],
    save: Path,
    size: int | None,
    artifacts: int,
    out: Output,
    url: str | None,
    tracking_uri: str | None,
) -> None:
    """Save all that was ever signed about SUBJECT as one file, which `verify` takes."""
    from .backend import backend

    pieces = backend(url, tracking_uri).archive(subject, size, artifacts)
    found, written = hashlib.sha256(), 0
    with whole(save) as file:
        for piece in pieces:
            found.update(piece)
            written += file.write(piece)
    told = {"path": str(save), "size": written, "sha256": found.hexdigest()}
    out.show(told, lambda one: [(name, str(value)) for name, value in one.items()])


@click.command()
@click.argument("evidence", metavar="FILE|FOLDER|URL")
@click.option(
    "--key",
    "keys",
    multiple=True,
    type=FILES,
    help="A public key (PEM) that you trust; got from the operator, not from the evidence.",
)
@click.option(
    "--trust", "trusts", multiple=True, type=FILES, help="A trust document, got the same way."
)
@click.option("--subject", help="Insist on this one: models/NAME/VERSION or runs/ID.")
@click.option("--store", help="Insist on this tracking store, as the evidence names it.")
@click.option("--decision", metavar="ENVIRONMENT", help="Insist on a verdict that lets it go live.")
@click.option(
    "--tsa",
    "authorities",
    multiple=True,
    type=FILES,
    help="Certificates (PEM) of an authority whose timestamps you trust: its own, and those above.",
)
@click.option("--witness", type=FILES, help="A signed head of the log, kept since: see `ledger`.")
@output_options
def verify(
    evidence: str,
    keys: tuple[Path, ...],
    trusts: tuple[Path, ...],
    subject: str | None,
    store: str | None,
    decision: str | None,
    authorities: tuple[Path, ...],
    witness: Path | None,
    out: Output,
) -> None:
    """Verify an archive, its folder, or a bundle. Exit code 0: it holds; 3: it does not.

    A FILE or FOLDER needs no network. A URL of the service is fetched with EVIDENCE_TOKEN.
    """
    try:
        from ..signing import Keyring
        from ..signing.timestamp import Authorities
        from ..verify import Expected, verify_file
    except ImportError as error:
        mend = "pip install 'mlflow-evidence-plugin[verify]'"
        raise NotInstalled(f"to verify, {error.name} is missing", mend) from error
    trusted = Keyring.of(*([one.read_bytes() for one in some] for some in (keys, trusts)))
    now = datetime.now(timezone.utc).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
    kept = witness.read_bytes().decode("utf-8", "replace") if witness else None
    stamping = Authorities.of(one.read_bytes() for one in authorities) if authorities else None
    with _at_hand(evidence) as path:
        expected = Expected(now, subject, decision, kept, store, stamping)
        report = verify_file(path, trusted, expected)
    first = _first(report)
    out.show(report.document(), lambda told: first + _rows(told), ("check", "", ""))
    if not report.passed:
        sys.exit(UNVERIFIED)


@contextmanager
def _at_hand(evidence: str) -> Iterator[Path]:
    """A path to what is to be verified: a URL is fetched, `-` is what comes in."""
    if evidence.startswith(("http://", "https://")):
        from ..client import EvidenceClient
        from .backend import token_of

        pieces = EvidenceClient.fetch(evidence, token_of("EVIDENCE_TOKEN"))
    elif evidence == "-":
        pieces = iter(lambda: sys.stdin.buffer.read(1 << 20), b"")
    else:
        if not os.path.lexists(evidence):
            raise click.BadParameter(f"there is no file or folder {evidence}")
        yield Path(evidence)
        return
    with tempfile.NamedTemporaryFile(suffix=".evidence") as file:
        for piece in pieces:
            file.write(piece)
        file.flush()
        yield Path(file.name)


@contextmanager
def whole(path: Path) -> Iterator[Any]:
    """A file that is there whole, or not at all."""
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def _first(report: Report) -> list[tuple[str, str, str]]:
    """What is asked first: does it hold, whose evidence is it, what was the verdict."""
    failed = sum(not one.passed for one in report.checks)
    counted = f"{failed} check{'' if failed == 1 else 's'} failed"
    result = "holds" if report.passed else f"does NOT hold: {counted}"
    rows = [("result", result, ""), ("subject", "", printable(report.subject or "not known"))]
    verdicts = report.verdicts or ("none",)
    counting = verdicts if report.passed else ("none that counts: the evidence does not hold",)
    return rows + [("verdict", "", printable(one)) for one in counting]


def _rows(report: dict[str, Any]) -> list[tuple[str, str, str]]:
    checks = report["checks"]
    failed = "FAILED ({code})"
    rows = [(c["name"], "ok" if c["passed"] else failed.format_map(c), c["detail"]) for c in checks]
    rows.append(("completeness", "", report["completeness"]))
    return rows + [("unproven", "", one) for one in report["unproven"]]
