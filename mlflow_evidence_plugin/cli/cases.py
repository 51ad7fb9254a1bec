"""Recorded cases to test a policy with: a record, what stands beside it, and what is expected."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ..approval import APPROVED, Approval, Waiver
from ..errors import BadInput, BadRecord
from ..policy import PREVIOUS, Attested, Baseline, Case, Policy, Target, evaluate
from ..policy.source import load
from ..record import Record, canonical, read
from ..record.canonical import loads
from .values import instant

SUFFIXES = (".yaml", ".yml", ".json")
MEMBERS = 64 << 20
"""Bytes of a record that are read from an archive at the most."""

_WRONG = (TypeError, KeyError, ValueError, AttributeError, ArithmeticError)
_UNREADABLE = (*_WRONG, OSError, zipfile.BadZipFile)
_NOBODY = "sha256:" + "0" * 64


@dataclass(frozen=True)
class Recorded:
    """One case's file, read."""

    name: str
    case: Case
    at: datetime
    expected: Mapping[str, Mapping[str, Any]]


def recorded(folder: Path) -> Iterator[Recorded]:
    """The cases in a folder, by name: its YAML and JSON files that say what they expect."""
    for path in sorted(folder.iterdir()):
        if path.suffix not in SUFFIXES or not path.is_file():
            continue
        document = load(path.read_bytes())
        if not (isinstance(document, dict) and "expect" in document):
            continue  # a record that a case names
        try:
            yield _recorded(path, document)
        except _UNREADABLE as error:
            mend = "docs/policy.md shows what a case may say"
            raise BadInput(f"{path.name} is no case: {error!r}", mend) from error


def results(policy: Policy, of: Recorded) -> Iterator[dict[str, Any]]:
    """For each environment that is expected something of: what came out, and whether it is that."""
    for environment, expected in of.expected.items():
        decision = evaluate(policy, policy.environment(environment), of.case, of.at)
        found = {
            "status": decision.status,
            "reasons": [one["code"] for one in decision.reasons],
            "warnings": [one["code"] for one in decision.warnings],
            "waived": [one["code"] for one in decision.waived],
        }
        wrong = [name for name, value in expected.items() if found.get(name) != value]
        told = {"case": of.name, "environment": environment, "ok": not wrong}
        why = [f"{one['code']}: {one['found']}" for one in decision.reasons]
        yield {**told, **found, "expected": dict(expected), "found": why}


def _recorded(path: Path, said: Mapping[str, Any]) -> Recorded:
    known = {
        *("about", "record", "at", "baselines", "approvals", "waivers", "attestations"),
        *("earlier", "targets", "captured_at", "expect"),
    }
    if unknown := sorted(set(said) - known):
        raise ValueError(f"unknown: {', '.join(unknown)}")
    if not all(isinstance(one, dict) for one in (said["expect"], *said["expect"].values())):
        raise TypeError("expect is what to expect by environment")
    at = instant(said["at"])
    record = _record(path.parent, said["record"])
    case = Case(
        record,
        {_key(k): _baseline(path.parent, one) for k, one in said.get("baselines", {}).items()},
        at,
        tuple(_approval(n, record, one) for n, one in enumerate(said.get("approvals", ()))),
        tuple(_waiver(n, record, one) for n, one in enumerate(said.get("waivers", ()))),
        tuple(Attested(**_statement(n, one)) for n, one in enumerate(said.get("attestations", ()))),
        tuple(_record(path.parent, one) for one in said.get("earlier", ())),
        {_key(k): _target(one) for k, one in said.get("targets", {}).items()},
        instant(said["captured_at"]) if "captured_at" in said else None,
    )
    now = datetime.fromisoformat(at.replace("Z", "+00:00"))
    return Recorded(path.name, case, now, said["expect"])


def _key(name: str) -> str:
    return PREVIOUS if name == "previous" else name


def _baseline(folder: Path, said: Mapping[str, Any]) -> Baseline:
    told = dict(said)
    record = _record(folder, told.pop("record")) if "record" in told else None
    version = told.pop("version", record.subject.version if record else None)
    return Baseline(version and str(version), record, **told)


def _target(said: Mapping[str, Any]) -> Target:
    told = {k: instant(v) if k == "expires_at" else str(v) for k, v in said.items()}
    return Target(**told)


def _statement(place: int, said: Mapping[str, Any]) -> dict[str, Any]:
    if wrong := sorted(name for name, value in said.items() if not isinstance(value, str)):
        raise TypeError(f"not text: {', '.join(wrong)}")
    times = {k: instant(v) for k, v in said.items() if k in ("at", "expires_at", "received_at")}
    return {"statement": f"{_NOBODY[:-3]}{place:03}", **said, **times}


def _approval(place: int, record: Record, said: Mapping[str, Any]) -> Approval:
    usual = {"basis": "observed", "decision": APPROVED, "release": record.release}
    return Approval(**{**usual, **_statement(place, said)})


def _waiver(place: int, record: Record, said: Mapping[str, Any]) -> Waiver:
    return Waiver(**{"release": record.release, **_statement(place, said)})


def _record(folder: Path, said: Any) -> Record:
    """A record that stands in the case itself, or in a file: alone, in a bundle, in an archive."""
    if isinstance(said, Mapping):
        return read(canonical(said))
    path = folder / said
    if zipfile.is_zipfile(path):
        return _from_archive(path)
    data = path.read_bytes()
    document = loads(data)
    if isinstance(document, dict) and isinstance(document.get("record"), dict):
        return read(canonical(document["record"]))
    return read(canonical(document))


def _from_archive(path: Path) -> Record:
    with zipfile.ZipFile(path) as archive:
        about = loads(_member(archive, "archive.json"))
        digest = str(about["record"])
        found = read(_member(archive, f"materials/sha256/{digest.removeprefix('sha256:')}"))
    if found.digest != digest:
        raise BadRecord(f"{path.name}: the record is not the one that the archive names")
    return found


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    with archive.open(name) as file:
        data = file.read(MEMBERS + 1)
    if len(data) > MEMBERS:
        raise BadRecord(f"{name} is too large")
    return data
