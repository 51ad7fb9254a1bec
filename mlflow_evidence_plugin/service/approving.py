"""Approve, reject, take back, waive: what people decide, signed and entered into the log."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from ..approval import APPROVED, REJECTED, REVOKED, Approval, Waiver
from ..errors import BadInput, Conflict, Forbidden, NotFound, OwnRun, StillChanging
from ..policy.decision import rfc3339
from ..policy.duties import EARLIER, IN_FORCE, VOID, folded, hand_in, same_person, state_of
from ..record import Record
from ..statements import APPROVAL, WAIVER
from ..statements.approval import approval_statement, waiver_statement
from ..storage import Principal, StoredBundle
from .deciding import TRIES, Deciding

FOR_OTHERS, ANY = "act-for-others", "*"
LONGEST_WAIVER = timedelta(days=366)


@dataclass(frozen=True)
class Approving:
    """What people say, on its way into the log; the verdicts that rest on it are made anew.

    `look` finds a bundle by its digest, for a caller who may see it; NotFound.
    """

    deciding: Deciding
    look: Callable[[str, Principal], StoredBundle]

    def approve(
        self, digest: str, told: Mapping[str, Any], caller: Principal
    ) -> tuple[Approval, bool]:
        """Enter an approval or a rejection; the second is whether it is new.

        `told` has `role`, `decision`, and may have `approver` (whom an integration speaks for),
        `comment`, `ticket`, `expires_at`. The same said again is the entry that there is.
        Forbidden, OwnRun, Conflict, or BadInput.
        """
        record = self.look(digest, caller).record()
        made = self._approval(record, told, caller)
        if not {made.role, ANY} & set(caller.roles):
            mend = f"ask the service's operator for a token with the role {made.role}"
            raise Forbidden(f"the token may not approve as {made.role}", mend)
        if (hand := hand_in(record, made.approver)) is not None:
            raise OwnRun(
                f"{made.approver} is {hand}, and nobody approves what they had a hand in",
                "ask somebody else for the approval",
            )
        return self._settled(record, made, partial(_same, made))

    def revoke(
        self, digest: str, statement: str, comment: str | None, caller: Principal
    ) -> tuple[Approval, bool]:
        """Take an entry back, by a further one. One's own; with the scope `admin`, anybody's."""
        record = self.look(digest, caller).record()
        (entries, _), _ = _people(self.deciding, record)
        taken = next((one for one in entries if one.statement == statement), None)
        if taken is None or taken.decision == REVOKED:
            raise NotFound(f"there is no approval {statement} of {record.subject.name}")
        # To let go asks for more than to refuse: rita@partner.example is not rita for sure.
        mine = folded(taken.approver) == folded(caller.name) or taken.relayed_by == caller.name
        if not mine and "admin" not in caller.scopes:
            raise Forbidden(f"the entry is {taken.approver}'s", "ask them, or the operator")
        who: dict[str, Any] = {"approver": caller.name, "role": taken.role, "basis": "observed"}
        at = rfc3339(self.deciding.now())
        made = Approval("", **who, decision=REVOKED, release=taken.release, at=at)
        made = replace(made, comment=comment, revokes=statement)
        return self._settled(record, made, partial(_revocation, statement))

    def waive(self, digest: str, told: Mapping[str, Any], caller: Principal) -> Waiver:
        """Answer for the failure of a rule.

        `told` has `environment`, `rule`, `reason`, `expires_at`, and may have `ticket`. `rule` is a
        rule's name, or where the environment has several of it, the rule with its
        options as the refusal names it. BadInput, OwnRun.
        """
        record = self.look(digest, caller).record()
        _, asked = self.deciding.asked(told["environment"])
        labels = {one.label: one for one in asked.rules if one.blocks}
        meant = [k for k, one in labels.items() if told["rule"] in (k, one.name)]
        if len(meant) != 1:
            known = "; ".join(sorted(labels))
            said = "is none that blocks" if not meant else "is several"
            raise BadInput(f"the rule {told['rule']} {said} in {asked.name}", f"there are: {known}")
        if (hand := hand_in(record, caller.name)) is not None:
            said = f"{caller.name} is {hand}, and nobody waives a rule for what is their own"
            raise OwnRun(said, "ask somebody else for the waiver")
        now = self.deciding.now()
        reason, until = _shown(told["reason"], "reason"), _later(told["expires_at"], now)
        if until > rfc3339(now + LONGEST_WAIVER):
            raise BadInput("a waiver holds for 366 days at the most", "name an earlier expires_at")
        made = Waiver(
            "",
            meant[0],
            asked.name,
            record.release,
            caller.name,
            reason,
            rfc3339(now),
            until,
            told.get("ticket"),
        )
        envelope = self.deciding.gathering.issuing.sign({WAIVER: waiver_statement(record, made)})
        return replace(made, statement=self._kept(record, WAIVER, envelope[WAIVER], made.at))

    def entries(self, digest: str, caller: Principal) -> dict[str, list[dict[str, Any]]]:
        """All that people have said about a bundle's subject."""
        return said_about(self.deciding, self.look(digest, caller).record())

    def _approval(self, record: Record, told: Mapping[str, Any], caller: Principal) -> Approval:
        now = self.deciding.now()
        if told["decision"] not in (APPROVED, REJECTED):
            raise BadInput(f"the decision is {told['decision']!r}", "give approved or rejected")
        named = told.get("approver") or caller.name
        own = same_person(named, caller.name)
        # Nobody is two people by two addresses: for oneself one speaks by the token's name alone.
        approver = _shown(caller.name if own else named, "approver")
        until = told.get("expires_at")
        return Approval(
            "",
            approver,
            told["role"],
            "observed" if own or FOR_OTHERS in caller.scopes else "claimed",
            told["decision"],
            record.release,
            rfc3339(now),
            _later(until, now) if until is not None else None,
            told.get("ticket"),
            told.get("comment"),
            None if own else caller.name,
        )

    def _settled(
        self, record: Record, made: Approval, known: Callable[[Sequence[Approval]], Approval | None]
    ) -> tuple[Approval, bool]:
        """The entry among all there are that `known` finds to say the same, or this one, entered.

        What others say at the same moment is looked at as well: else one person's two clicks are
        two entries, and the second one stays when the first is taken back.
        """
        left = TRIES
        while True:
            (entries, _), leaves = _people(self.deciding, record)
            if (one := known(entries)) is not None:
                return one, False
            try:
                return self._entered(record, made, leaves), True
            except StillChanging:
                if (left := left - 1) == 0:
                    raise

    def _entered(self, record: Record, made: Approval, seen: int) -> Approval:
        issuing = self.deciding.gathering.issuing
        envelope = issuing.sign({APPROVAL: approval_statement(record, made)})[APPROVAL]
        return replace(made, statement=self._kept(record, APPROVAL, envelope, made.at, seen))

    def _kept(
        self, record: Record, kind: str, envelope: bytes, at: str, seen: int | None = None
    ) -> str:
        about = (record.subject, record.digest)
        digest = self.deciding.gathering.approvals.add(about, kind, envelope, at, seen)
        self.deciding.settle(record.subject.name)
        return digest


def said_about(deciding: Deciding, record: Record) -> dict[str, list[dict[str, Any]]]:
    """All that people have said about a subject, each with whether it counts for the record.

    `state` is `in-force`, `revoked`, `expired`, `of-earlier-evidence` or `before-erasure`.
    """
    (approvals, waivers), _ = _people(deciding, record)
    at = rfc3339(deciding.now())
    return {
        "approvals": [
            _told(one, state_of(one, approvals, record.release, at)) for one in approvals
        ],
        "waivers": [_told(one, _state(one, record, at)) for one in waivers],
    }


def _told(one: Approval | Waiver, state: str) -> dict[str, Any]:
    return {name: value for name, value in vars(one).items() if name != "void"} | {"state": state}


def _people(
    deciding: Deciding, record: Record
) -> tuple[tuple[tuple[Approval, ...], tuple[Waiver, ...]], int]:
    """What people have said of a subject, when the log had so many leaves about it."""
    gathering = deciding.gathering
    said = gathering.approvals.said(record.subject, others=False)
    return gathering.people(said), said.leaves


def _same(made: Approval, entries: Sequence[Approval]) -> Approval | None:
    """The entry in force that says the same; Conflict where that person has said otherwise."""
    for one in entries:
        if one.decision == REVOKED or state_of(one, entries, made.release, made.at) != IN_FORCE:
            continue
        if same_person(one.approver, made.approver) and one.role == made.role:
            if replace(one, statement="", at=made.at) == made:
                return one
            raise Conflict(
                f"{one.approver} has {one.decision} this release as {one.role} at {one.at}",
                f"take that back first: revoke {one.statement}",
            )
    return None


def _revocation(statement: str, entries: Sequence[Approval]) -> Approval | None:
    """The entry that has taken another one back, if there is one."""
    return next((one for one in entries if one.revokes == statement), None)


def _shown(text: str, what: str) -> str:
    """The same; BadInput for what nobody would see: an empty name is nobody's."""
    if not text.strip() or not text.isprintable():
        raise BadInput(f"the {what} {text!r} cannot be shown", "give one line of plain text")
    return text


def _later(until: str, now: datetime) -> str:
    if until <= rfc3339(now):
        raise BadInput("expires_at has passed already", "name a later time")
    return until


def _state(one: Waiver, record: Record, at: str) -> str:
    if one.release != record.release:
        return EARLIER
    if one.void:
        return VOID
    return "expired" if one.expires_at <= at else IN_FORCE
