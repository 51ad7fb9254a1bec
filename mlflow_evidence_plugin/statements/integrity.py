"""Model integrity: the statement that OpenSSF model signing makes about a model's files.

https://github.com/sigstore/model-transparency: `model_signing verify key` takes it as it is.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from ..errors import BadEnvelope
from ..record import Record
from ..record.canonical import by_parts
from .form import hexadecimal, only, opened, reading, statement, text

MODEL_SIGNATURE = "https://model_signing/signature/v1.0"
_SERIALIZATION = {"method": "files", "hash_type": "sha256", "allow_symlinks": False}
# A gap with another code says that a file could not be read, or under which name it stands.
_HARMLESS = ("not-scanned",)
# Where masking names a path that it changed.
_PATHS = ("version/files/path", "artifacts/path")


@dataclass(frozen=True)
class Integrity:
    """What an integrity statement says: each file, as path and SHA-256, in its order."""

    subject: str
    root: str
    files: tuple[tuple[str, str], ...]


def integrity_statement(record: Record) -> bytes | None:
    """The statement over every file of a model version, `.gitattributes` and the like included.

    None for a run, and where a file may be missing or its name was masked: it must never cover
    half a model. It has no bound: 1,500 files make 262 kB.
    """
    if not record.subject.model or not record.facts("model_files") or _incomplete(record):
        return None
    resources = [
        {"name": path, "algorithm": "sha256", "digest": one["sha256"]}
        for path, one in sorted(
            record.values("model_files").items(), key=lambda file: by_parts(file[0])
        )
    ]
    predicate = {"serialization": _SERIALIZATION, "resources": resources}
    return statement(record, MODEL_SIGNATURE, predicate)


def read_integrity(found: Any) -> Integrity:
    """What a parsed statement says; BadEnvelope for any other form, or where paths are ignored."""
    one = opened(found, MODEL_SIGNATURE)
    with reading("model signature"):
        predicate = only(one.predicate, "serialization", "resources")
        if predicate["serialization"] != _SERIALIZATION:
            raise BadEnvelope("the model's files are listed in a way that we do not make")
        files = tuple(_file(resource) for resource in predicate["resources"])
        if not files or len(dict(files)) != len(files):
            raise BadEnvelope("the statement names no file, or one file twice")
        root = hashlib.sha256(b"".join(bytes.fromhex(sha256) for _, sha256 in files)).hexdigest()
        if root != one.root:
            raise BadEnvelope(f"the files have the root {root}, the subject {one.root}")
        return Integrity(one.subject, one.root, files)


def _file(resource: Any) -> tuple[str, str]:
    only(resource, "name", "algorithm", "digest")
    if resource["algorithm"] != "sha256":
        raise BadEnvelope("a file's digest is not a SHA-256")
    return text(resource["name"]), hexadecimal(resource["digest"])


def _incomplete(record: Record) -> bool:
    masked = record.value("findings", "secrets") or ()
    if any(one["place"] in _PATHS for one in masked):
        return True
    gaps = [one for one in record.document["gaps"] if one["code"] not in _HARMLESS]
    return any(_concerns(one["place"], record) for one in gaps)


def _concerns(place: str, record: Record) -> bool:
    section = place.partition("/")[0]
    if section == "model_files" or place in _PATHS:
        return True
    if section != "outputs":
        return False
    # The model's files may have been taken from among the run's: what lacks there, lacks here.
    lacking = place.removeprefix("outputs").strip("/") + "/"
    return any(
        lacking == "/" or lacking.startswith(folder) or folder.startswith(lacking)
        for folder in _folders(record)
    )


def _folders(record: Record) -> list[str]:
    """Folders of the run's artifacts in which the model's files stand, all of them the same."""
    files, outputs = record.values("model_files"), record.values("outputs")
    path = min(files)
    folders = [known.removesuffix(path) for known in outputs if known.endswith("/" + path)]
    return [
        folder for folder in folders if all(outputs.get(folder + p) == f for p, f in files.items())
    ]
