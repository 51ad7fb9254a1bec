"""Canonical JSON (RFC 8785) and the digests that name things."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any, NoReturn

from ..errors import BadRecord
from ..snapshot import Artifact


def canonical(document: Any) -> bytes:
    """RFC 8785 bytes of a JSON document; BadRecord for what JSON cannot say exactly."""
    import rfc8785  # here, so that the plugin's host never pays for it

    try:
        return rfc8785.dumps(document)
    except (rfc8785.CanonicalizationError, RecursionError) as error:
        raise BadRecord(f"not canonical JSON: {error}") from error


def digest_of(data: bytes) -> str:
    """`sha256:<hex>` of the bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def loads(data: bytes | str) -> Any:
    """Parse JSON strictly: no duplicate keys, no NaN, valid UTF-8; BadRecord otherwise."""
    try:
        text = data.decode("utf-8") if isinstance(data, bytes) else data
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise BadRecord(f"not JSON: {error}") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key appears twice in one object")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def by_parts(path: str) -> list[str]:
    """Orders paths folder by folder, as model signing does: `a/z` comes before `a.txt`."""
    return path.split("/")


def manifest_root(files: Iterable[Artifact]) -> str:
    """Hex SHA-256 over the raw digests of the files, in the order of `by_parts`.

    The same root that OpenSSF model signing computes for a model's files.
    """
    root = hashlib.sha256()
    for artifact in sorted(files, key=lambda file: by_parts(file.path)):
        root.update(bytes.fromhex(artifact.sha256))
    return root.hexdigest()
