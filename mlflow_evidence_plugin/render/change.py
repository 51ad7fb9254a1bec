"""A bundle and a verdict as the fields of a change request: plain text, within their lengths."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from .exhibit import Exhibit
from .parts import values
from .shown import Shown
from .text import one_line

LENGTHS = {
    "short_description": 160,
    "justification": 4000,
    "implementation_plan": 4000,
    "backout_plan": 4000,
    "test_plan": 4000,
    "work_notes": 4000,
}
"""Characters that ServiceNow's change_request takes in each, unless somebody has changed that."""

MARK = "From the signed evidence:"
"""With which each text of ours begins, so that what a person wrote is known from it."""

_CUT = "\n… (cut: the evidence has all of it)"
_HTML = re.compile(r"\[(/?code)\]", re.IGNORECASE)


def change_fields(exhibit: Exhibit, environment: str) -> dict[str, str]:
    """The fields, from the exhibit's one verdict, or none, in that environment."""
    shown = Shown(exhibit)
    verdict = next((v for v in shown.verdicts if v["environment"] == environment), None)
    texts = {
        "justification": _justification(shown),
        "implementation_plan": _implementation(shown, environment),
        "backout_plan": _backout(shown),
        "test_plan": (*_verdict(verdict, environment), *_tests(shown)),
        "work_notes": (*_verdict(verdict, environment), f"Record: {shown.digest}"),
    }
    # Without the verdict: no mark tells it from a title of somebody's own, so that it stays.
    title = f"Release {one_line(shown.subject)} to {one_line(environment)}"
    told = {"short_description": title[: LENGTHS["short_description"]]}
    return told | {name: _fitting(name, lines) for name, lines in texts.items()}


def verdict_lines(verdict: Mapping[str, Any] | None, environment: str) -> list[str]:
    """A verdict as lines: its word, its reasons, its warnings, and what somebody answers for."""
    return list(_verdict(verdict, environment))


def _fitting(name: str, lines: Iterable[str]) -> str:
    """The lines within the field's length. `[code]` would make HTML of what follows it."""
    text = _HTML.sub(r"(\1)", "\n".join((MARK, *lines)))
    most = LENGTHS[name]
    return text if len(text) <= most else text[: most - len(_CUT)] + _CUT


def _verdict(verdict: Mapping[str, Any] | None, environment: str) -> Iterable[str]:
    if verdict is None:
        yield f"No verdict for {one_line(environment)} yet."
        return
    yield f"{verdict['word']} for {one_line(environment)}, judged {verdict['evaluated_at']}"
    for one in verdict["reasons"]:
        yield f"- blocks: {_reason(one)}"
    for one in verdict["warnings"]:
        yield f"- warns: {_reason(one)}"
    for one in verdict["waived"]:
        by = f"{one_line(one['by'])} answers for it until {one['expires_at']}"
        yield f"- waived: {_reason(one)}; {by}: {one_line(one['reason'])}"
    if verdict["allowed"]:
        yield f"Valid until {verdict['expires_at']}; policy {verdict['policy']}"


def _reason(one: Mapping[str, str]) -> str:
    mend = f"; to mend: {one_line(one['mend'])}" if one["mend"] else ""
    return f"{one['code']}: found {one_line(one['found'])}; asked {one_line(one['asked'])}{mend}"


def _justification(shown: Shown) -> Iterable[str]:
    yield f"{one_line(shown.subject)}, captured {shown.captured_at}"
    yield from (f"{label}: {one_line(value)}" for label, value in shown.facts)
    for one in shown.approvals:
        who = f"{one_line(one['approver'])} as {one_line(one['role'])}"
        yield f"{one['decision'].capitalize()} by {who} at {one['at']}: {one['counts']}"


def _implementation(shown: Shown, environment: str) -> Iterable[str]:
    known = values(shown.record, "governance")
    # Whatever the verdict is now: the plan may stay in a ticket for longer.
    yield f"Only while the verdict for {one_line(environment)} allows it:"
    yield f"deploy {one_line(shown.subject)} of {one_line(shown.store)}, and nothing else."
    yield f"Files: root digest {shown.root}; record {shown.digest}"
    yield from _stated(known, {"change_window": "Window", "runbook": "Runbook"})


def _backout(shown: Shown) -> Iterable[str]:
    known = values(shown.record, "governance")
    yield f"Way back: {one_line(known.get('rollback', 'not stated by the evidence'))}"
    yield from _stated(known, {"monitoring": "Watch", "support": "Call", "runbook": "Runbook"})


def _stated(known: Mapping[str, str], labels: Mapping[str, str]) -> Iterable[str]:
    return (f"{label}: {one_line(known[name])}" for name, label in labels.items() if name in known)


def _tests(shown: Shown) -> Iterable[str]:
    for name, value in shown.key_metrics:
        yield f"Metric {one_line(name)} = {one_line(value)}"
    if not shown.key_metrics:
        yield f"No metrics: {one_line(shown.metrics.absent)}"
    yield f"Gaps: {len(shown.gaps.rows)}; secrets found and masked: {len(shown.secrets.rows)}"
    yield "Check the evidence offline: mlflow-evidence verify, as its archive says."


__all__ = ["LENGTHS", "MARK", "change_fields", "verdict_lines"]
