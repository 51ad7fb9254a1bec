"""What people decided, as statements: an approval, and a waiver of a rule.

Ours: no public predicate binds a person's word to the digest of a release.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from ..approval import APPROVED, REJECTED, REVOKED, Approval, Waiver
from ..errors import BadEnvelope
from ..record import Record
from ..record.facts import is_time
from .form import digest, opened, reading, statement, text

APPROVAL = "https://mlflow-evidence.dev/approval/v1"
WAIVER = "https://mlflow-evidence.dev/waiver/v1"

BASES = ("claimed", "observed")
_DECISIONS = (APPROVED, REJECTED, REVOKED)
_OURS = {"statement", "void"}
"""What nobody states: the statement's own name, and what became of it later."""
_OPTIONAL = ("expires_at", "ticket", "comment", "relayed_by", "revokes")


@dataclass(frozen=True)
class Approved:
    """What an approval statement says. `fact` lacks the digest of the statement itself."""

    subject: str
    root: str
    release: str
    fact: Approval


@dataclass(frozen=True)
class Waived:
    """What a waiver statement says. `fact` lacks the digest of the statement itself."""

    subject: str
    root: str
    release: str
    fact: Waiver


def approval_statement(record: Record, fact: Approval) -> bytes:
    """Canonical bytes; members that are None are left out."""
    return statement(record, APPROVAL, _predicate(fact))


def waiver_statement(record: Record, fact: Waiver) -> bytes:
    """Canonical bytes; members that are None are left out."""
    return statement(record, WAIVER, _predicate(fact))


def read_approval(found: Any) -> Approved:
    """What a parsed statement says; BadEnvelope for any other form."""
    one = opened(found, APPROVAL)
    with reading("approval"):
        said = _said(one.predicate, Approval)
        if said["decision"] not in _DECISIONS or said["basis"] not in BASES:
            raise BadEnvelope("the approval decides or rests on something that we do not know")
        if (said["decision"] == REVOKED) != ("revokes" in said):
            raise BadEnvelope("the approval does not say which entry it takes back, or says one")
        if "revokes" in said:
            digest(said["revokes"])
        return Approved(one.subject, one.root, said["release"], Approval("", **said))


def read_waiver(found: Any) -> Waived:
    """What a parsed statement says; BadEnvelope for any other form."""
    one = opened(found, WAIVER)
    with reading("waiver"):
        said = _said(one.predicate, Waiver)
        return Waived(one.subject, one.root, said["release"], Waiver("", **said))


def named(said: Approved | Waived, statement: str) -> Approval | Waiver:
    """The fact that a statement tells, with the digest of the statement."""
    return replace(said.fact, statement=statement)


def _predicate(fact: Approval | Waiver) -> dict[str, str]:
    return {k: v for k, v in vars(fact).items() if v is not None and k not in _OURS}


def _said(predicate: Any, kind: type[Approval] | type[Waiver]) -> dict[str, Any]:
    names = {one.name for one in fields(kind)} - _OURS
    optional = names & set(_OPTIONAL) - ({"expires_at"} if kind is Waiver else set())
    if not isinstance(predicate, dict) or not names - optional <= set(predicate) <= names:
        raise BadEnvelope("the predicate has other members than one of this kind")
    said = {name: text(value) for name, value in predicate.items()}
    digest(said["release"])
    if not all(is_time(said[name]) for name in ("at", "expires_at") if name in said):
        raise BadEnvelope("a time is not as we write it")
    return said
