"""The signed statements of a bundle as a reader meets them: in words, in the order of the log.

Read for display alone: nothing here verifies them.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import EvidenceError
from ..policy.decision import FAILED, PASSED, WARNED
from ..record.canonical import canonical, digest_of
from ..statements import (
    APPROVAL,
    BOM,
    CAPTURED,
    MODEL_SIGNATURE,
    READERS,
    RELEASE_EVIDENCE,
    TEST_RESULT,
    TOMBSTONE,
    VSA,
    WAIVER,
    Statement,
)
from ..statements.approval import Approved, Waived
from ..statements.decision import Summary, Tested
from ..statements.provenance import PROVENANCE
from .exhibit import predicate_type

WORDS: Mapping[str, str] = {
    RELEASE_EVIDENCE: "Release evidence",
    MODEL_SIGNATURE: "Signature of the model’s files",
    PROVENANCE: "Training, as provenance",
    BOM: "ML-BOM",
    TEST_RESULT: "Rules that were checked",
    VSA: "Verdict",
    APPROVAL: "Approval",
    WAIVER: "Waiver",
    TOMBSTONE: "Tombstone of what was erased",
}
"""What each kind is called for people; docs/evidence.md says what it states."""

FOREIGN, UNREADABLE = "Statement of somebody else", "Not readable"
_DECIDED = (TEST_RESULT, VSA, APPROVAL, WAIVER)
_LATE = "~"
"""After every time, for what does not say when it was signed."""


@dataclass(frozen=True)
class Stated:
    """One envelope: as it is, what it holds, and by which digest others name it.

    `said` is what a verdict, its rules, an approval or a waiver says; None for any other.
    """

    type: str
    raw: str
    told: str
    root: str
    digest: str
    said: Statement | None

    @property
    def words(self) -> str:
        """What it is, and for which environment where it is about one."""
        words = WORDS.get(self.type, UNREADABLE if not self.told else FOREIGN)
        return f"{words} for {self.environment}" if self.environment else words

    @property
    def environment(self) -> str:
        """Of a verdict, its rules and a waiver."""
        if isinstance(self.said, Tested):
            return self.said.environment
        if isinstance(self.said, Summary):
            return str(self.said.decision.get("environment", ""))
        return self.said.fact.environment if isinstance(self.said, Waived) else ""


def stated(envelopes: Sequence[Mapping[str, Any]]) -> list[Stated]:
    """What a capture stated, then what was said about it, by time: as they stand in the log."""
    found = [_read(one) for one in envelopes]
    rules = {digest: one for one in found for digest in _inputs(one)}
    kinds = [*CAPTURED, *_DECIDED]

    def place(one: Stated) -> tuple[str, str, int]:
        rank = kinds.index(one.type) if one.type in kinds else len(kinds)
        return _at(rules.get(one.digest, one)), one.environment, rank

    return sorted(found, key=place)


def checked(decision: Mapping[str, Any], found: Sequence[Stated]) -> list[tuple[str, str]]:
    """Each rule of a verdict, `rule {options}`, after how it went: failed, warned or passed.

    Of the very statement that the verdict's own names; nothing where the bundle has not both.
    """
    digest = _digest(decision)
    summary = next((one for one in found if _is_of(one, digest)), None)
    named = set(_inputs(summary)) if summary else set()
    tested = next((one.said for one in found if one.digest in named), None)
    if not isinstance(tested, Tested) or tested.record != decision.get("record"):
        return []
    lists = ((FAILED, tested.failed), (WARNED, tested.warned), (PASSED, tested.passed))
    return [(went, label) for went, labels in lists for label in labels]


def counted(found: Sequence[tuple[str, str]]) -> str:
    """How the rules of a verdict went, in numbers: `7 rules were checked: 1 failed, 6 passed`."""
    ways = [went for went, _ in found]
    told = [f"{ways.count(went)} {went}" for went in (FAILED, WARNED, PASSED) if went in ways]
    many = "1 rule was" if len(ways) == 1 else f"{len(ways):,} rules were"
    return f"{many} checked: {', '.join(told)}"


def _is_of(one: Stated, digest: str) -> bool:
    return isinstance(one.said, Summary) and one.said.digest == digest


def _digest(decision: Mapping[str, Any]) -> str:
    try:
        return digest_of(canonical(dict(decision)))
    except EvidenceError:
        return ""


def _inputs(one: Stated) -> Iterator[str]:
    """The rules that a verdict was made from, by the digest of their envelope."""
    if isinstance(one.said, Summary):
        yield from (digest for kind, digest in one.said.inputs if kind == TEST_RESULT)


def _at(one: Stated) -> str:
    if one.type in CAPTURED:
        return ""
    if isinstance(one.said, Summary):
        return str(one.said.decision["evaluated_at"])
    return one.said.fact.at if isinstance(one.said, Approved | Waived) else _LATE


def _read(envelope: Mapping[str, Any]) -> Stated:
    kind, told, root, said = predicate_type(envelope), "", "", None
    try:
        statement = json.loads(base64.b64decode(envelope["payload"]))
        told = json.dumps(statement, indent=2, ensure_ascii=False)
        root = "sha256:" + str(statement["subject"][0]["digest"]["sha256"])
        said = READERS[kind](statement) if kind in _DECIDED else None
    except (ValueError, KeyError, TypeError, IndexError, RecursionError, EvidenceError):
        pass  # shown raw
    raw = json.dumps(envelope, indent=2, ensure_ascii=False)
    # In the form in which it is kept, and named by those that it was an input of.
    kept = json.dumps(envelope, separators=(",", ":"), sort_keys=True).encode()
    return Stated(kind, raw, told, root, digest_of(kept), said)


__all__ = ["FOREIGN", "UNREADABLE", "WORDS", "Stated", "checked", "counted", "stated"]
