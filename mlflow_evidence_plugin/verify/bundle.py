"""Does a bundle hold? Each check is reported, also after one has failed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import BadEnvelope, BadRecord, BadSignature, EvidenceError
from ..record import Record, canonical, read
from ..record.canonical import loads
from ..signing import Keyring, Verified, open_envelope
from ..statements import PAYLOAD_TYPE
from ..statements.release import Release, read_release

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
SIZE_LIMIT = 64 << 20
_SIGNED = {"digest", "subject", "statements", "record"}


@dataclass(frozen=True)
class Check:
    """One thing that was checked; `code` is set where it failed."""

    name: str
    passed: bool
    detail: str
    code: str | None = None


UNPROVEN = (
    "time: there is no trusted timestamp, so the key's validity at signing is unproven",
    "completeness: unwitnessed, so this does not prove that nothing else was issued",
)


@dataclass(frozen=True)
class Report:
    """Every check, and what was not proven."""

    checks: tuple[Check, ...]
    unproven: tuple[str, ...] = UNPROVEN

    @property
    def passed(self) -> bool:
        """Whether something was checked and every check passed."""
        return bool(self.checks) and all(check.passed for check in self.checks)

    def document(self) -> dict[str, Any]:
        """The report as JSON."""
        return {
            "passed": self.passed,
            "checks": [vars(check) for check in self.checks],
            "unproven": list(self.unproven),
        }


def verify_bundle(data: bytes, trusted: Keyring) -> Report:
    """Check a bundle as the service serves it: `{digest, record, statements, …}`.

    Errors in the bundle are findings of the report; only an unusable `trusted` raises.
    """
    checks: list[Check] = []
    bundle = _try(checks, "bundle", lambda: _bundle(data), lambda b: f"names {b['digest']}")
    if bundle is None:
        return Report(tuple(checks))
    record = _try(
        checks, "record", lambda: _record(bundle), lambda r: f"{r.subject.name}: {r.digest}"
    )
    for index, envelope in enumerate(bundle["statements"]):
        signed = _try(
            checks,
            f"signature {index}",
            lambda envelope=envelope: open_envelope(canonical(envelope), trusted),  # type: ignore[misc]
            lambda v: f"made by key {v.key_id[:16]}…",
        )
        if signed is not None and record is not None:
            _try(
                checks,
                f"statement {index}",
                lambda signed=signed: _binds(decode(signed), record),  # type: ignore[misc]
                lambda r: f"binds {r.subject} to {r.record}",
            )
    unsigned = sorted(set(bundle) - _SIGNED)
    told = (f"nobody signed {', '.join(map(ascii, unsigned))}: anyone may have changed it",)
    return Report(tuple(checks), (told if unsigned else ()) + UNPROVEN)


def decode(verified: Verified) -> Release:
    """What a verified payload says. There is no way here for bytes that were not verified."""
    if verified.payload_type != PAYLOAD_TYPE:
        raise BadEnvelope(f"the payload is {verified.payload_type}, not an in-toto statement")
    try:
        return read_release(loads(verified.payload))
    except BadRecord as error:
        raise BadEnvelope(f"the statement is {error.detail}") from error


def _try(
    checks: list[Check], name: str, check: Callable[[], Any], say: Callable[[Any], str]
) -> Any:
    try:
        found = check()
    except EvidenceError as error:
        checks.append(Check(name, False, error.detail, error.code))
        return None
    checks.append(Check(name, True, say(found)))
    return found


def _bundle(data: bytes) -> Mapping[str, Any]:
    if len(data) > SIZE_LIMIT:
        raise BadRecord(f"a bundle of {len(data)} bytes; {SIZE_LIMIT} are allowed")
    bundle = loads(data)
    if not isinstance(bundle, dict) or not _DIGEST.fullmatch(str(bundle.get("digest"))):
        raise BadRecord("not an evidence bundle: it has no digest")
    statements = bundle.get("statements")
    if not isinstance(statements, list) or not statements:
        raise BadSignature("the bundle has no signed statement")
    return bundle


def _record(bundle: Mapping[str, Any]) -> Record:
    record = read(canonical(bundle.get("record")))
    if record.digest != bundle["digest"]:
        raise BadRecord(f"the record's bytes have the digest {record.digest}, not the bundle's")
    told = bundle.get("subject", record.subject.name)
    if told != record.subject.name:
        raise BadRecord(f"the bundle says it is about {told!r}, its record {record.subject.name}")
    return record


def _binds(said: Release, record: Record) -> Release:
    stands = Release(record.subject.name, record.root, record.digest, record.release)
    for name, value in vars(stands).items():
        if getattr(said, name) != value:
            told = getattr(said, name)
            raise BadSignature(f"the signed statement's {name} is {told}, the record's {value}")
    return said
