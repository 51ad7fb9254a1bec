"""What may lie in an archive: each member has a name that we give, and something that binds it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from itertools import takewhile
from threading import Event
from typing import Any

from ..errors import BadArchive, BadMaterial, EvidenceError
from ..record import Record, canonical, digest_of
from ..record.canonical import loads
from ..statements.bom import bom_document
from ..statements.decision import Summary, Tested
from ..statements.integrity import Integrity
from .bundle import binds
from .opening import Opened
from .stated import STATEMENTS, Stated

ARCHIVE_V1 = "https://mlflow-evidence.dev/archive/v1"
MANIFEST = "archive.json"
MATERIALS = "materials/sha256/"
POLICIES = "policy/sha256/"
CHECKPOINT, CHAIN = "ledger/checkpoint", "ledger/chain.json"
COUNT, TOMBSTONES = "ledger/count", "ledger/tombstones.json"
ENVELOPES = "attestations.intoto.jsonl"
SIGNATURE, MLBOM = "model.sig", "mlbom.cdx.json"

FILES = ("outputs", "model_files")
"""Sections of a record that name files by their SHA-256."""

BEYOND_BOUND = "beyond-bound"
REASONS = (BEYOND_BOUND, "changed", "gone", "masked", "not-scanned", "unreachable")
"""Why a file that the record names was left out."""

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_VERDICT = re.compile(r"vsa-(?P<environment>[A-Za-z0-9_-]{1,64})\.dsse\.json")
_ONES = {MANIFEST, CHECKPOINT, CHAIN, COUNT, TOMBSTONES, ENVELOPES, SIGNATURE, MLBOM}
_FOLDERS = (STATEMENTS, MATERIALS, POLICIES)
_EXPORTED = re.compile(r"archives/.+\.evidence\.zip")
_UNSIGNED = re.compile(r"VERIFY\.md|trust/.+")
MANIFEST_MAX = 16 << 20
_HASHERS = 4


def read_manifest(opened: Opened) -> Mapping[str, Any]:
    """Which subject the archive is about, and by which record. BadArchive or BadRecord."""
    if MANIFEST not in opened.sizes and any(map(_EXPORTED.fullmatch, opened.sizes)):
        said = "this is an export of `ticket`, not an archive: verify the files in archives/ of it"
        raise BadArchive(said)
    data = opened.read(MANIFEST) if opened.sizes.get(MANIFEST, 0) <= MANIFEST_MAX else b"{}"
    found = loads(data)
    if not isinstance(found, dict) or found.get("schema") != ARCHIVE_V1:
        raise BadArchive("not an archive of a version that is known here")
    if set(found) != {"schema", "subject", "record", "omitted"} or canonical(found) != data:
        raise BadArchive(f"{MANIFEST} is not as we write it")
    _check_form(found["omitted"])
    if not isinstance(found["record"], str) or not _DIGEST.fullmatch(found["record"]):
        raise BadArchive(f"{MANIFEST} names no record")
    return found


def check_omitted(told: Mapping[str, Any], opened: Opened, main: Record) -> None:
    """BadArchive unless what is said to be left out are files of the record, and are not here."""
    omitted = told["omitted"]
    if not omitted:
        return
    files = set(_files(main))
    if strange := {(one["path"], one["digest"], one["size"]) for one in omitted} - files:
        raise BadArchive(f"{len(strange)} of the files left out are none that the record names")
    left = {one["digest"] for one in omitted}
    here = {_named(name, MATERIALS) for name in opened.sizes if name.startswith(MATERIALS)}
    if both := left & here:
        raise BadArchive(f"{len(both)} of the files that are said to be left out are here")
    if lost := {digest for _, digest, _ in files} - left - here:
        raise BadArchive(f"{len(lost)} files are neither here nor said to be left out")


def _files(record: Record) -> Iterator[tuple[str, str, int]]:
    for place in FILES:
        for path, file in record.values(place).items():
            yield f"{place}/{path}", f"sha256:{file['sha256']}", file["size"]


def _check_form(omitted: Any) -> None:
    if not isinstance(omitted, list) or not all(map(_is_left_out, omitted)):
        raise BadArchive(f"{MANIFEST} does not say what was left out as we say it")
    order = [(one["size"], one["digest"]) for one in omitted]
    if order != sorted(set(order)):
        raise BadArchive(f"{MANIFEST} says what was left out in another order, or twice")


def _is_left_out(one: Any) -> bool:
    if not isinstance(one, dict) or set(one) != {"digest", "size", "path", "reason"}:
        return False
    texts = [one["digest"], one["path"], one["reason"]]
    if type(one["size"]) is not int or not all(isinstance(text, str) for text in texts):
        return False
    return bool(_DIGEST.fullmatch(one["digest"])) and one["reason"] in REASONS


def unsigned(opened: Opened) -> list[str]:
    """Members that nobody signed, and that nothing signed names."""
    return sorted(name for name in opened.sizes if _UNSIGNED.fullmatch(name))


def check_names(opened: Opened, stated: Sequence[Stated]) -> int:
    """How many members there are; BadArchive for one of which nobody knows what it says."""
    for place, one in enumerate(stated):
        if one.name != one.named(place):
            raise BadArchive(f"{one.name} is a statement that should be {one.named(place)}")
    policies = {one.said.policy for one in stated if isinstance(one.said, Summary | Tested)}
    for name in opened.sizes:
        known = name in _ONES or name.startswith(_FOLDERS) or _VERDICT.fullmatch(name)
        if not known and not _UNSIGNED.fullmatch(name):
            raise BadArchive(f"{name} is none of an archive's members: nobody signed it")
        if name.startswith(POLICIES) and _named(name, POLICIES) not in policies:
            raise BadArchive(f"no verdict in the archive names {name}")
    return len(opened.sizes)


def check_copies(opened: Opened, stated: Sequence[Stated], main: Record) -> int:
    """What stands in an archive a second time, for verifiers that take another form."""
    whole = hashlib.sha256()
    for one in stated:
        whole.update(one.envelope + b"\n")
    _same(opened, ENVELOPES, {"sha256:" + whole.hexdigest()})
    copies = {ENVELOPES}
    for name in opened.sizes:
        if found := _VERDICT.fullmatch(name):
            _same(opened, name, _newest(stated, main, found["environment"]))
        elif name == SIGNATURE:
            _same(opened, name, {one.bundle for one in stated if _of_files(one, main)})
        elif name == MLBOM:
            _same(opened, name, {digest_of(canonical(bom_document(main)))})
        else:
            continue
        copies.add(name)
    return len(copies)


class Hashing:
    """Digests of the materials, made in the background while the rest is looked at.

    Hashing lets go of Python's lock: it costs little time where there are two cores.
    """

    def __init__(self, opened: Opened) -> None:
        self._opened, self._stopped = opened, Event()
        names = [name for name in opened.sizes if name.startswith(MATERIALS)]
        self._pool = ThreadPoolExecutor(_HASHERS)
        parts = [names[n::_HASHERS] for n in range(_HASHERS)]
        self._found = [self._pool.submit(self._digests, part) for part in parts]

    def digests(self) -> dict[str, str]:
        """By name of the member; BadArchive where one cannot be read."""
        return {name: one for some in self._found for name, one in some.result().items()}

    def close(self) -> None:
        """Leave what is not hashed yet."""
        self._stopped.set()
        self._pool.shutdown(cancel_futures=True)

    def _digests(self, names: Sequence[str]) -> dict[str, str]:
        wanted = takewhile(lambda _: not self._stopped.is_set(), names)
        return {name: hashed(self._opened, name) for name in wanted}


def check_materials(hashing: Hashing, known: Set[str]) -> int:
    """How many there are; BadMaterial for one that is not what it is named by, or that none names.

    `known` are the digests that signed records and verdicts name.
    """
    found = hashing.digests()
    for name in found:
        if _named(name, MATERIALS) not in known:
            raise BadMaterial(f"no record in the archive names the material {name}")
    altered = sorted(name for name, one in found.items() if one != _named(name, MATERIALS))
    if altered:
        others = f", and {len(altered) - 1} more" if altered[1:] else ""
        raise BadMaterial(f"{altered[0]} was altered{others}", "get the archive anew")
    return len(found)


def hashed(opened: Opened, name: str) -> str:
    """The digest of a member's bytes."""
    found = hashlib.sha256()
    for piece in opened.chunks(name):
        found.update(piece)
    return "sha256:" + found.hexdigest()


def _same(opened: Opened, name: str, digests: set[str]) -> None:
    if name not in opened.sizes or hashed(opened, name) not in digests:
        raise BadArchive(f"{name} is not a copy of what was signed", "get the archive anew")


def _newest(stated: Sequence[Stated], main: Record, environment: str) -> set[str]:
    """The envelope of the last verdict on the record: earlier ones it has put out of force."""
    found = [
        one.digest
        for one in stated
        if isinstance(one.said, Summary)
        and (one.said.record, one.said.decision["environment"]) == (main.digest, environment)
    ]
    return set(found[-1:])


def _of_files(one: Stated, main: Record) -> bool:
    if not isinstance(one.said, Integrity):
        return False
    try:
        binds(one.said, main)
    except EvidenceError:
        return False
    return True


def _named(name: str, folder: str) -> str:
    return "sha256:" + name.removeprefix(folder)
