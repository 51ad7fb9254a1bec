"""Rules about what others say: who approved, and what others have attested."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from fnmatch import fnmatchcase

from ...approval import APPROVED, REJECTED, Approval
from ...record import Record
from ..case import Attested, Case
from ..duties import EXPIRED, IN_FORCE, TAKEN_BACK, hand_in, same_person, state_of
from .outcome import BASES, Options, Outcome, age, hours, later, listed

_MAKERS = (("run", "user"), ("governance", "owner"), ("version", "creator"))


def approvals(case: Case, options: Options) -> Outcome:
    """Enough people with the right role must have approved this release, and none rejected it."""
    need, roles = options.get("n", 1), options.get("roles")
    asked = f"{need} approval{'s' if need > 1 else ''}"
    asked += f" as {' or '.join(roles)}" if roles else ""
    states = _states(case)
    fitting = [one for one in case.approvals if not roles or one.role in roles]
    rejected = [
        one for one in fitting if one.decision == REJECTED and states[one.statement] == IN_FORCE
    ]
    if rejected:
        mend = "mend what they say, or ask them to take it back"
        until = min((one.expires_at for one in rejected if one.expires_at), default=None)
        who = listed(f"{one.approver} ({one.role})" for one in rejected)
        return Outcome(False, f"rejected by {who}", asked, mend, until)
    if options.get("separation_of_duties", True) and not _made_by_somebody(case.record):
        found = "nobody is known who made it, so that nobody is known to be another"
        return Outcome(False, found, asked, "name an owner: EVIDENCE_OWNER (or evidence.toml)")
    approving = [(one, states[one.statement]) for one in fitting if one.decision == APPROVED]
    counted, refused = _counted(approving, case, options)
    who = listed(f"{one.approver} ({one.role})" for one in counted)
    found = f"{len(counted)} of {need}" + (f": {who}" if who else "")
    found += f"; not counted: {listed(refused)}" if refused else ""
    mend = f"ask somebody who may: mlflow-evidence approve {case.record.subject.name} --role ROLE"
    mend += "; who approved too long ago takes that back, and approves anew" if refused else ""
    passed = len(counted) >= need
    return Outcome(passed, found, asked, mend, _until(counted, need, options) if passed else None)


def _states(case: Case) -> dict[str, str]:
    """Whether each entry counts for this release, by its statement."""
    if not case.approvals:
        return {}
    release = case.record.release  # made of the whole record, so once
    return {
        one.statement: state_of(one, case.approvals, release, case.at) for one in case.approvals
    }


def _made_by_somebody(record: Record) -> bool:
    return any(record.value(section, name) for section, name in _MAKERS)


def _counted(
    entries: Iterable[tuple[Approval, str]], case: Case, options: Options
) -> tuple[list[Approval], list[str]]:
    """The approvals that count, one of each person; and of the others, why they do not."""
    counted: list[Approval] = []
    refused: list[str] = []
    for one, state in sorted(entries, key=_bare_first):
        why = _refusal(one, state, case, options)
        if why is None and any(same_person(one.approver, other.approver) for other in counted):
            why = "counts once"
        if why is None:
            counted.append(one)
        elif why != TAKEN_BACK:
            refused.append(f"{one.approver} ({why})")
    return counted, refused


def _bare_first(entry: tuple[Approval, str]) -> tuple[bool, str, str]:
    """`ana` may be either of two with an address: counted first, they are not three."""
    one, _ = entry
    return "@" in one.approver, one.at, one.statement


def _refusal(one: Approval, state: str, case: Case, options: Options) -> str | None:
    """Why an approval does not count; None if it does."""
    if state != IN_FORCE:
        return {EXPIRED: "ran out", TAKEN_BACK: TAKEN_BACK}.get(state, "of earlier evidence")
    old, longest = age(one.at, case.at), options.get("max_age_hours")
    if old is None or old < timedelta():
        return "of a time that is unknown, or to come"
    if longest is not None and old > timedelta(hours=longest):
        return f"of {hours(old)} ago, {longest} are allowed"
    wanted = options.get("basis", "observed")
    if one.basis not in BASES or BASES.index(one.basis) < BASES.index(wanted):
        return f"{one.basis}, {wanted} is asked"
    if options.get("separation_of_duties", True):
        return hand_in(case.record, one.approver)
    return None


def _until(counted: Iterable[Approval], need: int, options: Options) -> str | None:
    """When so many run out that too few are left."""
    ends = []
    for one in counted:
        both = (one.expires_at, later(one.at, options.get("max_age_hours")))
        ends.append(min((end for end in both if end), default=None))
    lasting = sum(end is None for end in ends)
    if lasting >= need:
        return None
    return sorted((end for end in ends if end), reverse=True)[need - lasting - 1]


def attested(case: Case, options: Options) -> Outcome:
    """Somebody trusted must have signed a statement of this type about it."""
    kind, signers, longest = options["type"], options.get("signers"), options.get("max_age_hours")
    asked = f"an attestation {kind}"
    asked += f" of {' or '.join(signers)}" if signers else ""
    asked += f" of the last {longest} hours" if longest is not None else ""
    of_kind = [one for one in case.attestations if fnmatchcase(one.kind, kind)]
    signed = [one for one in of_kind if not signers or one.signer in signers]
    fitting = [one for one in signed if longest is None or _young(one, case.at, longest)]
    if fitting:
        found = listed(f"{one.kind} of {one.signer}" for one in fitting)
    elif signed:
        found = f"{len(signed)}, too old or of an unknown time"
    elif of_kind:
        found = f"only of {listed(sorted({one.signer for one in of_kind}))}"
    else:
        found = "none of a trusted signer"
    mend = "send one to POST /v1/attestations, signed by a key that the service's operator trusts"
    ends = [later(one.received_at, longest) for one in fitting]
    until = max((end for end in ends if end), default=None)
    return Outcome(bool(fitting), found, asked, mend, until)


def _young(one: Attested, at: str, longest: int) -> bool:
    old = age(one.received_at, at)
    return old is not None and old <= timedelta(hours=longest)
