"""One bundle as every document for people shows it: what is said first, verdicts, sections."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import BadRecord
from .charts import describe
from .exhibit import Exhibit
from .parts import Part, findings, gaps, metrics, parts, values
from .stated import checked, stated
from .text import plain

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_WORDS = {"passed": ("Allowed", "✓", "good"), "pending": ("Pending", "…", "open")}
_BLOCKED = ("Blocked", "✕", "bad")
WHO = ("owner", "team", "support", "ticket", "environment")
HOW = ("rollback", "monitoring", "runbook", "change_window")
KEY_METRICS = 12
"""Told one by one where there is little room; the evidence has all of them."""


class Shown:
    """A bundle and its verdicts, in words. BadRecord for a document that is no bundle."""

    def __init__(self, exhibit: Exhibit) -> None:
        bundle = exhibit.document
        try:
            self.record: dict[str, Any] = bundle["record"]
            self.digest: str = bundle["digest"]
            self.captured_at: str = bundle["captured_at"]
            self.asked_as = _resolved(bundle.get("resolved", {}))
            self.statements = stated(bundle["statements"])
            subject = self.record["subject"]
        except (KeyError, TypeError) as error:
            raise BadRecord(f"not an evidence bundle: {error!r}") from error
        if not _DIGEST.fullmatch(self.digest):
            raise BadRecord("not an evidence bundle: its digest is not one")
        self.store: str = subject["store"]
        self.of_version = "version" in subject
        self.model, self.version = subject.get("name", ""), subject.get("version", "")
        run = values(self.record, "run")
        self.run_id: str = subject.get("run_id") or run.get("run_id", "")
        self.run_name: str = run.get("name", "")
        self.subject = f"runs/{self.run_id}"
        if self.of_version:
            self.subject = f"models/{self.model}/{self.version}"
        self.approvals = [_entry(one) for one in exhibit.approvals if one["decision"] != "revoked"]
        self.waivers = [_entry(one) for one in exhibit.waivers]
        told = [
            _verdict(one, exhibit.now) | {"checked": checked(one, self.statements)}
            for one in exhibit.decisions
        ]
        self.verdicts = sorted(told, key=lambda one: (one["allowed"], one["environment"]))

    @property
    def facts(self) -> list[tuple[str, str]]:
        """Who and what, in a few pairs; what nobody stated is said to be so."""
        return list(self._facts())

    def _facts(self) -> Iterator[tuple[str, str]]:
        governance, run = values(self.record, "governance"), values(self.record, "run")
        for name in WHO:
            if name in governance or name in ("owner", "ticket"):
                yield name.capitalize(), governance.get(name, "not stated")
        if run:
            yield "Run", f"{self.run_name} {self.run_id}".strip()
            yield "Experiment", plain(run.get("experiment"))
            yield "Status", plain(run.get("status")) + self._deleted(run)
            yield "Ended", plain(run.get("ended", "not ended"))
        elif self.of_version:
            yield "Run", "there is no source run"
        yield "Commit", values(self.record, "code").get("commit", "not known")
        for name in HOW:
            if name in governance:
                yield name.replace("_", " ").capitalize(), governance[name]

    @staticmethod
    def _deleted(run: Mapping[str, Any]) -> str:
        return " (deleted)" if run.get("lifecycle") == "deleted" else ""

    @property
    def metrics(self) -> Part:
        """Latest values."""
        return metrics(self.record)

    @property
    def key_metrics(self) -> list[tuple[str, str]]:
        """Those that a rule found wanting first, then by name; `KEY_METRICS` of them."""
        found = values(self.record, "metrics")
        reasons = [r for v in self.verdicts for r in (*v["reasons"], *v["warnings"])]
        told = " ".join(one["found"] for one in reasons).split()
        ordered = sorted(found, key=lambda name: (name not in told, name))
        return [(name, found[name]["value"]) for name in ordered[:KEY_METRICS]]

    @property
    def histories(self) -> list[tuple[str, str, str]]:
        """Of each metric with more than one point: its name, its series' digest, its figures."""
        found = sorted(values(self.record, "history").items())
        return [(n, one["digest"], describe(n, one)) for n, one in found if one["count"] > 1]

    @property
    def files(self) -> list[tuple[str, int, int]]:
        """What files there are: their kind, number and bytes."""
        kinds = (("model files", "model_files"), ("artifacts", "outputs"))
        found = [(kind, values(self.record, section)) for kind, section in kinds]
        return [(k, len(v), sum(one["size"] for one in v.values())) for k, v in found if v]

    @property
    def root(self) -> str:
        """The root over the subject's files, as the signed statement names it."""
        return next((one.root for one in self.statements if one.root), "not stated")

    @property
    def parts(self) -> list[Part]:
        """The other sections, as tables."""
        return parts(self.record)

    @property
    def secrets(self) -> Part:
        """Secrets found."""
        return findings(self.record)

    @property
    def gaps(self) -> Part:
        """What could not be read."""
        return gaps(self.record)


def _resolved(at: Mapping[str, str]) -> tuple[str, str, str, str] | None:
    """By what it was asked for, its name, the version that held it, and when we looked."""
    kind = next((kind for kind in ("alias", "stage") if kind in at), None)
    return (kind, at[kind], at["version"], at["resolved_at"]) if kind else None


def _verdict(decision: Mapping[str, Any], now: str | None) -> dict[str, Any]:
    word, mark, tone = _WORDS.get(decision["status"], _BLOCKED)
    ended = bool(decision["allowed"] and now and decision["expires_at"] <= now)
    if ended:
        word, mark, tone = "Expired", "…", "open"
    waived = decision.get("waived", ())
    return {**decision, "waived": waived, "word": word, "mark": mark, "tone": tone, "ended": ended}


def _entry(one: Mapping[str, Any]) -> dict[str, Any]:
    """What somebody said, and in words whether it counts for this evidence."""
    counts = {"in-force": "counts", "of-earlier-evidence": "was of earlier evidence"}
    counts["before-erasure"] = "was said before evidence was erased"
    return {**one, "counts": counts.get(one["state"], f"is {one['state']}")}


__all__ = ["Shown"]
