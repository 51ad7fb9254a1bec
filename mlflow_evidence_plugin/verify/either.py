"""A file of which it is not known whether it is a bundle or an archive."""

from __future__ import annotations

from pathlib import Path

from ..errors import BadInput
from ..signing import Keyring
from .archive import Expected, verify_archive
from .bundle import SIZE_LIMIT, verify_bundle
from .report import Report


def verify_file(path: Path, trusted: Keyring, expected: Expected) -> Report:
    """Check a bundle, an archive or its folder. BadInput for what a bundle cannot answer."""
    if not path.is_file() or _first_byte(path) != b"{":
        return verify_archive(path, trusted, expected)
    insisted = (expected.decision, expected.subject, expected.witness, expected.store)
    if any(insisted) or expected.authorities:
        mend = "give an archive: mlflow-evidence archive SUBJECT --save FILE"
        raise BadInput("a bundle cannot answer for what only an archive has", mend)
    with path.open("rb") as file:
        return verify_bundle(file.read(SIZE_LIMIT + 1), trusted)


def _first_byte(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(64).lstrip()[:1]
    except OSError:
        return b""  # opening it as an archive says what is wrong
