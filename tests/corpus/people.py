"""What people said: approvals and waivers that are altered, misused, or passed over in silence."""

from __future__ import annotations

from typing import Any

from mlflow_evidence_plugin.approval import Approval
from mlflow_evidence_plugin.record import canonical, digest_of
from mlflow_evidence_plugin.signing import sign
from mlflow_evidence_plugin.statements import APPROVAL, PAYLOAD_TYPE, TEST_RESULT, VSA, WAIVER
from mlflow_evidence_plugin.statements.approval import approval_statement
from mlflow_evidence_plugin.statements.decision import DECISION

from .forge import Forge, said
from .good import World

ZERO = "sha256:" + "0" * 64
EARLY = "2001-01-01T00:00:00.000Z"


def _said(kind: str, change: Any, **how: Any) -> Any:
    """Something else that somebody is made to have said, signed by the key unless told."""

    def make(w: World) -> Forge:
        key = w.stranger if how.get("stranger") else None
        return w.approved.copy().resign(kind, lambda s: change(s["predicate"]), key=key)

    return make


def _judged(change: Any) -> Any:
    """Another verdict, and the test result that goes with it."""

    def make(w: World) -> Forge:
        def verdict(one: Any) -> None:
            decision = one["predicate"][DECISION]
            change(decision)
            whole = {name: value for name, value in decision.items() if name != "digest"}
            decision["digest"] = digest_of(canonical(whole))

        def tests(one: Any) -> None:
            told = one["predicate"]["configuration"][-1]["annotations"]
            change(told)

        return w.approved.copy().resign(TEST_RESULT, tests).resign(VSA, verdict)

    return make


def _only(change: Any) -> Any:
    """Another verdict, with the true test result."""
    made = _judged(lambda _: None)

    def make(w: World) -> Forge:
        def verdict(one: Any) -> None:
            decision = one["predicate"][DECISION]
            change(decision)
            whole = {name: value for name, value in decision.items() if name != "digest"}
            decision["digest"] = digest_of(canonical(whole))

        return made(w).resign(VSA, verdict)

    return make


def _rejected(w: World) -> Forge:
    """A rejection in the log before the verdict, of which the verdict knows nothing."""
    forge = w.approved.copy()
    record = forge.record
    at = said(forge.envelopes()[forge.places(APPROVAL)[0]])["predicate"]["at"]
    word = Approval("", "otto", "risk", "observed", "rejected", record.release, at)
    envelope = sign(approval_statement(record, word), PAYLOAD_TYPE, w.key)
    envelopes = forge.envelopes()
    envelopes.insert(forge.places(TEST_RESULT)[-1], envelope)
    return forge.relog(envelopes)


def _dropped(w: World) -> Forge:
    forge = w.approved.copy()
    place = forge.places(APPROVAL)[0]
    return forge.restate([one for n, one in enumerate(forge.envelopes()) if n != place])


def _unnamed(w: World) -> Forge:
    """A verdict that does not count the approval among what it was made from."""

    def change(one: Any) -> None:
        inputs = one["predicate"]["inputAttestations"]
        one["predicate"]["inputAttestations"] = [i for i in inputs if i["name"] != APPROVAL]

    return w.approved.copy().resign(VSA, change)


def _without_waived(decision: Any) -> None:
    decision.pop("waived")


def _without_beside(decision: Any) -> None:
    decision.pop("beside")


PEOPLE = {
    "bad-signature__approval-of-another-release": _said(APPROVAL, lambda p: p.update(release=ZERO)),
    "bad-signature__approval-by-a-stranger-s-key": _said(APPROVAL, lambda p: None, stranger=True),
    "bad-envelope__approval-that-decides-nothing-known": _said(
        APPROVAL, lambda p: p.update(decision="maybe")
    ),
    "bad-envelope__approval-on-an-unknown-basis": _said(
        APPROVAL, lambda p: p.update(basis="attested")
    ),
    "bad-envelope__approval-that-takes-something-back": _said(
        APPROVAL, lambda p: p.update(revokes=ZERO)
    ),
    "bad-envelope__revocation-of-nothing": _said(APPROVAL, lambda p: p.update(decision="revoked")),
    "bad-envelope__approval-with-a-further-member": _said(APPROVAL, lambda p: p.update(vip="yes")),
    "bad-envelope__approval-without-a-role": _said(APPROVAL, lambda p: p.pop("role") and None),
    "bad-envelope__approval-at-no-time": _said(APPROVAL, lambda p: p.update(at="today")),
    "bad-verdict__approval-that-had-ended": _said(APPROVAL, lambda p: p.update(expires_at=EARLY)),
    "bad-verdict__approval-in-another-role": _said(APPROVAL, lambda p: p.update(role="guest")),
    "bad-verdict__approval-of-one-s-own-run": _said(
        APPROVAL, lambda p: p.update(approver="jane.doe@example.com")
    ),
    "bad-verdict__rejection-passed-over": _rejected,
    "bad-ledger__approval-dropped": _dropped,
    "bad-verdict__approval-not-named-as-an-input": _unnamed,
    "bad-verdict__approvals-that-nobody-gave": _judged(
        lambda one: one["beside"].update(approvals=[ZERO])
    ),
    "bad-verdict__approvals-left-out": _judged(lambda one: one["beside"].update(approvals=[])),
    "bad-verdict__waived-without-what-it-rests-on": _only(_without_beside),
    "bad-verdict__rests-on-something-without-waived": _only(_without_waived),
    "bad-signature__waiver-of-another-release": _said(WAIVER, lambda p: p.update(release=ZERO)),
    "bad-verdict__waiver-of-another-environment": _said(
        WAIVER, lambda p: p.update(environment="lab")
    ),
    "bad-verdict__waiver-of-another-rule": _said(WAIVER, lambda p: p.update(rule="tracked-run")),
    "bad-verdict__waiver-that-had-ended": _said(WAIVER, lambda p: p.update(expires_at=EARLY)),
    "bad-verdict__waiver-for-another-reason": _said(WAIVER, lambda p: p.update(reason="none")),
    "bad-envelope__waiver-without-an-end": _said(WAIVER, lambda p: p.pop("expires_at") and None),
}
