"""A consumer's question, and the verdict on it. Whatever goes wrong, it is not a pass."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from mlflow_evidence_plugin.errors import (
    BadInput,
    EvidenceError,
    SigningFailed,
    StorageUnavailable,
    StoreUnavailable,
)
from mlflow_evidence_plugin.policy import Decision
from mlflow_evidence_plugin.policy.decision import Reason, rfc3339
from mlflow_evidence_plugin.render.text import code_span, visible
from mlflow_evidence_plugin.service import Evidence
from mlflow_evidence_plugin.storage import Principal

from ..address import page_of

log = logging.getLogger(__name__)

PASSED, FAILED, PENDING = "passed", "failed", "pending"
LONGEST = 300
"""Characters of a value in plain text."""

_MAY_PASS = (StoreUnavailable, StorageUnavailable, SigningFailed)
_AWAY = {"alias-unresolved"}
"""Reasons that may pass, of a denial."""
_UNEXPECTED: Reason = {
    "code": "error",
    "found": "an unexpected error",
    "asked": "a verdict",
    "mend": "ask the service's operator: its log has the cause",
}


@dataclass(frozen=True)
class Question:
    """May this version, or the one that holds this alias, go to this environment?"""

    model: str
    version: str | None
    alias: str | None
    environment: str | None
    caller: Principal
    pinned: tuple[str | None, str | None] = (None, None)

    @property
    def subject(self) -> str:
        """What is asked about, for a reader."""
        return f"models/{self.model}/{self.version or '@' + str(self.alias)}"

    def decided(self, evidence: Evidence) -> tuple[Decision, str]:
        """The decision, and when the subject was looked up; EvidenceError."""
        if self.alias is not None:
            subject = (self.model, self.alias)
            return evidence.gate.decide_alias(subject, self.environment, self.caller, self.pinned)
        if self.version is None:
            raise BadInput("neither a version nor an alias is named", "name one of them")
        named = (self.model, self.version)
        found = evidence.gate.decide(named, self.environment, self.caller, self.pinned)
        return found, rfc3339(evidence.now())


@dataclass(frozen=True)
class Verdict:
    """What a consumer is told: `passed`, `failed` or `pending`, on what, and why.

    `judged` says whether a policy did: no denial is, for which nobody could look at evidence.
    """

    status: str
    subject: str
    environment: str | None
    reasons: Sequence[Reason]
    warnings: Sequence[Reason] = ()
    details_url: str | None = None
    judged: bool = True

    @property
    def passed(self) -> bool:
        """Whether the release may go on."""
        return self.status == PASSED

    @property
    def head(self) -> str:
        """The verdict in one line of plain text."""
        word = {PASSED: "allowed", FAILED: "denied"}.get(self.status, "waiting for evidence")
        where = f" for {self.environment}" if self.environment else ""
        return _flat(f"{word}: {self.subject}{where}")

    def lines(self) -> list[str]:
        """Each reason in one line of plain text."""
        return [
            f"{one['code']}: found {_flat(one['found'])}; asked {_flat(one['asked'])}"
            + (f"; mend: {_flat(one['mend'])}" if one["mend"] else "")
            for one in self.reasons
        ]

    def text(self, limit: int) -> str:
        """The verdict as plain text of so many characters at the most."""
        lines = self.lines()
        for left in range(len(lines) + 1):
            more = [f"… and {left} more"] if left else []
            text = "\n- ".join([self.head, *lines[: len(lines) - left], *more])
            if len(text) <= limit:
                return text
        return self.head[:limit]

    def comment(self, limit: int) -> str:
        """The verdict as Markdown of so many characters at the most; strangers' text is inert."""
        word = {PASSED: "Allowed", FAILED: "Denied"}.get(self.status, "Waiting for evidence")
        where = f" for {code_span(self.environment)}" if self.environment else ""
        head = f"**{word}**: {code_span(self.subject)}{where}."
        tail = f"\n\nEvidence: {self.details_url}" if self.details_url else ""
        if len(head) + len(tail) > limit:
            tail = ""
        lines = [_line(one) for one in self.reasons]
        lines += [f"{_line(one)} (a warning only)" for one in self.warnings]
        for left in range(len(lines) + 1):
            shown = lines[: len(lines) - left]
            more = [f"… and {left} more"] if left else []
            text = head + "".join(f"\n- {one}" for one in (*shown, *more)) + tail
            if len(text) <= limit:
                return text
        return f"**{word}**"[:limit]


def refused(subject: str, environment: str | None, reason: Reason) -> Verdict:
    """A denial that needed no look at evidence."""
    return Verdict(FAILED, subject, environment, (reason,), judged=False)


def ask(evidence: Evidence, question: Question, host_url: str) -> Verdict:
    """The verdict now; `pending` while evidence is awaited or a part of the service is away."""
    try:
        found, _ = question.decided(evidence)
    except EvidenceError as error:
        reason = {"code": error.code, "found": error.detail, "asked": "a verdict"}
        status = PENDING if isinstance(error, _MAY_PASS) else FAILED
        told = (reason | {"mend": error.mend},)
        return Verdict(status, question.subject, question.environment, told, judged=False)
    except Exception as error:
        log.error("unexpected %s", type(error).__name__, exc_info=error)
        return refused(question.subject, question.environment, _UNEXPECTED)
    away = bool(found.reasons) and {one["code"] for one in found.reasons} <= _AWAY
    return Verdict(
        PENDING if away else found.status,
        found.subject.name,
        found.environment,
        found.reasons,
        found.warnings,
        details(found, host_url),
        judged=not away,
    )


def settled(
    now: Callable[[], Verdict],
    seconds: float,
    pause: float,
    waiting: Callable[[Verdict], None] = lambda _: None,
    again: Callable[[], bool] = lambda: False,
) -> Verdict:
    """The verdict once it is no longer pending; a denial when that takes longer than it may.

    `waiting` is told that it takes longer, once and whenever it is asked `again`; whether it can be
    told on does not matter.
    """
    until = time.monotonic() + seconds
    verdict, told = now(), False
    while verdict.status == PENDING and time.monotonic() < until:
        if again() or not told:
            told = True
            try:
                waiting(verdict)
            except EvidenceError as error:
                log.warning("a consumer could not be told to wait: %s", error.detail)
        time.sleep(pause)
        verdict = now()
    return replace(verdict, status=FAILED) if verdict.status == PENDING else verdict


def details(decision: Decision, host_url: str) -> str | None:
    """The page on which people read the evidence of a decision."""
    return page_of(decision.record, host_url)


def _flat(text: str) -> str:
    """A stranger's text in one line, as it is shown in a log."""
    line = visible(" ".join(text.split()))
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}…"


def _line(reason: Reason) -> str:
    found, asked = code_span(reason["found"]), code_span(reason["asked"])
    mend = f"; mend: {code_span(reason['mend'])}" if reason["mend"] else ""
    return f"**{reason['code']}**: found {found}, asked {asked}{mend}"
