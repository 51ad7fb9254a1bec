"""Does a bundle hold? Each check is reported, also after one has failed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NoReturn

from ..errors import BadEnvelope, BadRecord, BadSignature
from ..record import Record, canonical, read
from ..record.canonical import by_parts, loads
from ..signing import Keyring, Verified, open_envelope
from ..statements import PAYLOAD_TYPE, Release, Statement, read_statement
from ..statements.decision import Summary, Tested
from ..statements.integrity import Integrity, integrity_statement
from ..statements.purl import purl
from .report import UNPROVEN, Checklist, Report

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
SIZE_LIMIT = 64 << 20
_SIGNED = {"digest", "subject", "statements", "record"}
_VERDICTS = ("verdicts: not derived again; the archive has what that needs",)


def verify_bundle(data: bytes, trusted: Keyring) -> Report:
    """Check a bundle as the service serves it: `{digest, record, statements, …}`.

    Errors in the bundle are findings of the report; only an unusable `trusted` raises.
    """
    checks = Checklist()
    bundle = checks.take("bundle", lambda: _bundle(data), lambda b: f"names {b['digest']}")
    if bundle is None:
        return Report(tuple(checks.done))
    record = checks.take(
        "record", lambda: _record(bundle), lambda r: f"{r.subject.name}: {r.digest}"
    )
    stated: list[Statement | None] = []
    for index, envelope in enumerate(bundle["statements"]):
        signed = checks.take(
            f"signature {index}",
            partial(_opened, envelope, trusted),
            lambda v: f"made by key {v.key.id[:16]}…",
        )
        if signed is not None and record is not None:
            found = checks.take(
                f"statement {index}",
                partial(_stands, signed, record),
                lambda r: f"{type(r).__name__.lower()}: binds {r.subject}, root {r.root[:16]}…",
            )
            stated.append(found)
    if not any(isinstance(one, Release) for one in stated):
        checks.take("record signed", _unsigned, str)
    unsigned = sorted(set(bundle) - _SIGNED)
    told = f"nobody signed {', '.join(map(ascii, unsigned))}: anyone may have changed it"
    left = ((told,) if unsigned else ()) + (_VERDICTS if _judged(stated) else ())
    subject = record.subject.name if record else None
    done, verdicts = tuple(checks.done), _verdicts(stated)
    return Report(done, left + UNPROVEN, subject=subject, verdicts=verdicts)


def decode(verified: Verified) -> Statement:
    """What a verified payload says. There is no way here for bytes that were not verified."""
    if verified.payload_type != PAYLOAD_TYPE:
        raise BadEnvelope(f"the payload is {verified.payload_type}, not an in-toto statement")
    try:
        return read_statement(loads(verified.payload))
    except BadRecord as error:
        raise BadEnvelope(f"the statement is {error.detail}") from error


def _unsigned() -> NoReturn:
    raise BadSignature("no statement in the bundle signs its record")


def _judged(stated: Sequence[Statement | None]) -> bool:
    return any(isinstance(one, Tested | Summary) for one in stated)


def verdict_of(said: Summary) -> str:
    """A verdict in one line, for people: where, what, and until when."""
    told = said.decision
    environment, status, until = (told.get(n) for n in ("environment", "status", "expires_at"))
    return f"{environment}: {status}, until {until}"


def _verdicts(stated: Sequence[Statement | None]) -> tuple[str, ...]:
    said = (one for one in stated if isinstance(one, Summary))
    newest = {one.decision.get("environment"): verdict_of(one) for one in said}
    return tuple(newest.values())


def _opened(envelope: Any, trusted: Keyring) -> Verified:
    return open_envelope(canonical(envelope), trusted)


def _stands(signed: Verified, record: Record) -> Statement:
    return binds(decode(signed), record)


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


def binds(said: Statement, record: Record) -> Statement:
    """The statement, which says of the subject what the record says; BadSignature otherwise."""
    if isinstance(said, Integrity) and integrity_statement(record) is None:
        raise BadSignature("the record's gaps say that these are not all files of the model")
    for name, value in vars(said).items():
        # None: the statement is bounded, and says itself that it leaves this out.
        stands = _BY_RECORD[name](record) if name in _BY_RECORD and value is not None else value
        if value != stands:
            told = f"is {value}, the record's {stands}" if isinstance(value, str) else "differ"
            raise BadSignature(f"the signed statement's {name} {told}")
    return said


def _files(record: Record) -> tuple[tuple[str, str], ...]:
    files = record.values("model_files" if record.subject.model else "outputs")
    return tuple((path, files[path]["sha256"]) for path in sorted(files, key=by_parts))


_BY_RECORD: Mapping[str, Callable[[Record], Any]] = {
    "subject": lambda record: record.subject.name,
    "root": lambda record: record.root,
    "record": lambda record: record.digest,
    "release": lambda record: record.release,
    "run_id": lambda record: record.run_id,
    "purl": purl,
    "resource": purl,
    "files": _files,
    "metrics": lambda record: tuple(
        (name, one["value"]) for name, one in sorted(record.values("metrics").items())
    ),
    "parameters": lambda record: tuple(sorted(record.values("parameters").items())),
}
"""What the fields of statements must be, by the record that stands beside them."""
