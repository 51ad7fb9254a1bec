"""Plain facts about what people decided: approvals, and waivers of a rule."""

from __future__ import annotations

from dataclasses import dataclass

APPROVED, REJECTED, REVOKED = "approved", "rejected", "revoked"


@dataclass(frozen=True)
class Approval:
    """One entry: somebody approved or rejected a release, or took an earlier entry of theirs back.

    `statement` is the digest of the signed statement, `release` the release digest that it is
    bound to, `basis` is `observed` where the approver's own token was used, or one that may act
    for others, and `claimed` where an integration said who it was. Times are RFC 3339 in UTC.
    """

    statement: str
    approver: str
    role: str
    basis: str
    decision: str
    release: str
    at: str
    expires_at: str | None = None
    ticket: str | None = None
    comment: str | None = None
    relayed_by: str | None = None
    revokes: str | None = None
    void: bool = False
    """Evidence of the subject was erased since: what was said of it then is no longer whole."""


@dataclass(frozen=True)
class Waiver:
    """A failed rule that somebody answers for: one release, in one environment, for a time."""

    statement: str
    rule: str
    environment: str
    release: str
    by: str
    reason: str
    at: str
    expires_at: str
    ticket: str | None = None
    void: bool = False
