"""The form that all statements of ours share: in-toto v1, one subject, canonical bytes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ..errors import BadEnvelope
from ..record import Record, canonical

STATEMENT = "https://in-toto.io/Statement/v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
RECORD_MEDIA_TYPE = "application/vnd.mlflow-evidence.record.v1+json"
PREDICATE_LIMIT = 100_000
"""Bytes of a predicate. Other people's verifiers and stores refuse what is much larger."""

_HEX = re.compile(r"[0-9a-f]{64}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_MEMBERS = {"_type", "subject", "predicateType", "predicate"}


@dataclass(frozen=True)
class Opened:
    """A parsed statement: what it is about, and its predicate, which is still to be read."""

    subject: str
    root: str
    predicate: Any


def statement(record: Record, predicate_type: str, predicate: Mapping[str, Any]) -> bytes:
    """Canonical bytes of a statement about a record's subject."""
    return canonical(
        {
            "_type": STATEMENT,
            "subject": [{"name": record.subject.name, "digest": {"sha256": record.root}}],
            "predicateType": predicate_type,
            "predicate": predicate,
        }
    )


def opened(found: Any, predicate_type: str) -> Opened:
    """A statement of this type about exactly one subject; BadEnvelope for any other."""
    with reading("in-toto statement"):
        if set(found) != _MEMBERS or found["_type"] != STATEMENT:
            raise BadEnvelope("not an in-toto statement v1, or one with other members")
        if found["predicateType"] != predicate_type:
            raise BadEnvelope(f"the statement is not of the type {predicate_type}")
        (subject,) = found["subject"]
        if set(subject) != {"name", "digest"} or set(subject["digest"]) != {"sha256"}:
            raise BadEnvelope("the statement's subject has other members than name and sha256")
        return Opened(
            text(subject["name"]), hexadecimal(subject["digest"]["sha256"]), found["predicate"]
        )


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Whatever a stranger's JSON makes our code stumble over becomes BadEnvelope."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadEnvelope(f"not a statement as we make it ({what}): {error!r}") from error


def only(members: Any, *names: str) -> Any:
    """An object that has exactly these members."""
    if not isinstance(members, dict) or set(members) != set(names):
        raise BadEnvelope(f"not an object with exactly the members {', '.join(names)}")
    return members


def text(value: Any) -> str:
    """A text, and nothing that merely looks like one."""
    if not isinstance(value, str):
        raise BadEnvelope(f"not text: {value!r:.80}")
    return value


def hexadecimal(value: Any) -> str:
    """A SHA-256 in lower-case hex."""
    if not _HEX.fullmatch(text(value)):
        raise BadEnvelope("not a SHA-256 in hex")
    return str(value)


def digest(value: Any) -> str:
    """`sha256:<hex>`."""
    if not _DIGEST.fullmatch(text(value)):
        raise BadEnvelope("not a digest sha256:<hex>")
    return str(value)


def named(value: str) -> dict[str, str]:
    """`sha256:<hex>` as in-toto's digest set."""
    return {"sha256": digest(value).removeprefix("sha256:")}


def fitting(parts: Mapping[str, Any], room: int) -> tuple[dict[str, Any], dict[str, int]]:
    """The parts that fit into `room` bytes, and how many entries each part has that does not.

    The largest goes first, and whole: half a list would look like all of it. The caller must say
    in the statement what was left out.
    """
    sizes = {name: len(canonical(part)) for name, part in parts.items()}
    kept, omitted = dict(parts), dict[str, int]()
    for name in sorted(sizes, key=lambda name: (-sizes[name], name)):
        if sum(sizes[one] for one in kept) <= room:
            break
        omitted[name] = len(kept.pop(name))
    return kept, omitted
