"""Drift: what MLflow says of a subject now, against what was signed. Nothing of it is kept."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ..errors import BadInput, BadRecord, Busy, NotFound, StoreRefused, StoreUnavailable
from ..policy.decision import rfc3339
from ..record import Record, Subject, record_of
from ..record.drift import CHANGED, REMOVED, Finding, drift, finding
from ..scan import TextObserver, masked
from ..snapshot import Artifact, RunSnapshot, Snapshot, VersionSnapshot
from ..storage import Decisions, Principal
from .capture import Capturing

AT_A_TIME = 2
"""Subjects whose files one process reads side by side for callers that wait."""

_reading = threading.BoundedSemaphore(AT_A_TIME)
_UNKNOWN = "0" * 64
_AWAY = (StoreUnavailable, StoreRefused, BadRecord)
"""What leaves things unknown: a store that does not tell, or tells what no record can hold."""


@dataclass(frozen=True)
class Drifting:
    """Where the two sides come from."""

    capturing: Capturing
    decisions: Decisions

    def of(self, record: Record, caller: Principal, contents: bool = False) -> dict[str, Any]:
        """What changed since a record was signed.

        Files by size, or with `contents` by digest, for as many bytes as fit into scratch space.
        `drifted` is None where nothing was found to have changed, and something cannot be known.
        BadInput for files that are too large, Busy while others have theirs read.
        """
        at = rfc3339(self.capturing.now())
        try:
            findings, unknown = self._compared(record, caller, contents)
        except NotFound:
            what = "version" if record.subject.model else "run"
            findings, unknown = [finding(what, REMOVED, record.subject.name, None)], []
        except _AWAY as error:
            findings, unknown = [], [{"what": record.subject.name, "why": error.detail}]
        else:
            moved, lost = self._baselines(record)
            findings, unknown = findings + moved, unknown + lost
        return {
            "subject": record.subject.name,
            "digest": record.digest,
            "drifted": True if findings else None if unknown else False,
            "files_by": "digest" if contents else "size",
            "findings": findings,
            "unknown": unknown,
            "resolved_at": at,
        }

    def _compared(
        self, record: Record, caller: Principal, contents: bool
    ) -> tuple[list[Finding], list[dict[str, str]]]:
        found = self._read(record.subject, contents=False)
        run = found.run if isinstance(found, VersionSnapshot) else found
        if run and not caller.sees(record.subject.model, run.experiment):
            return _not_theirs(record, run)
        if contents:
            with _turn():
                _check_size(found, self.capturing.store.scratch.budget)
                found = self._read(record.subject, contents=True)
        clean = masked(found, self.capturing.store_id)
        made = record_of(clean if contents else _filled(clean, record), self.capturing.store_id)
        return drift(record.document, made.document, contents)

    def _read(self, subject: Subject, contents: bool) -> Snapshot:
        store = self.capturing.store
        how = (partial(TextObserver, salt=self.capturing.store_id), lambda _: None, contents)
        if subject.model and subject.version:
            return store.version(subject.model, subject.version, *how)
        return store.run(subject.run_id or "", *how)

    def _baselines(self, record: Record) -> tuple[list[Finding], list[dict[str, str]]]:
        """Aliases that lead elsewhere than when a verdict compared with their holders."""
        findings, unknown = [], []
        for verdict in self.decisions.of_record(record.digest):
            for alias, digest in verdict["baselines"].items():
                if alias.startswith(("@", "sha256:")) or not digest.startswith("sha256:"):
                    continue  # the version before, or a record by its digest: neither moves
                what = f"verdict/{verdict['environment']}/{alias}"
                try:
                    was, is_ = self._subject(digest), self._holder(record, alias)
                except _AWAY as error:
                    unknown.append({"what": what, "why": error.detail})
                    continue
                # That the version itself was given the alias is its release, and no drift.
                if is_ not in (was, record.subject.name):
                    findings.append(finding(what, CHANGED if is_ else REMOVED, was, is_))
        return findings, unknown

    def _subject(self, digest: str) -> str:
        try:
            return self.capturing.bundles.get(digest).subject
        except NotFound as error:
            raise BadRecord("the evidence of what it was compared with is gone: erased") from error

    def _holder(self, record: Record, alias: str) -> str | None:
        model = record.subject.model or ""
        try:
            version, _ = self.capturing.store.holder(model, alias)
        except NotFound:
            return None
        return Subject("", model=model, version=version).name


def _not_theirs(record: Record, run: RunSnapshot) -> tuple[list[Finding], list[dict[str, str]]]:
    """A version may be made anew, from a run of which the caller may not know."""
    if not run.experiment:
        why = "the store does not tell its experiment, so that it may not be yours"
        return [], [{"what": record.subject.name, "why": why}]
    why = "it is of an experiment that your token does not cover"
    moved = finding("run/experiment", CHANGED, record.experiment, None)
    return [moved], [{"what": record.subject.name, "why": why}]


@contextmanager
def _turn() -> Iterator[None]:
    if not _reading.acquire(blocking=False):
        raise Busy(f"{AT_A_TIME} others have their files read now", "try again in a minute")
    try:
        yield
    finally:
        _reading.release()


def _check_size(found: Snapshot, budget: int) -> None:
    run = found.run if isinstance(found, VersionSnapshot) else found
    files = (*(run.artifacts if run else ()), *getattr(found, "files", ()))
    size = sum(one.size for one in files)
    if size > budget:
        said = f"{size} bytes of files are too many to read while you wait"
        raise BadInput(said, "ask without artifacts, or capture it anew and compare the two")


def _filled(snapshot: Snapshot, record: Record) -> Snapshot:
    """With the signed digest of each file that has the signed size: the rest of it is not known."""
    if isinstance(snapshot, RunSnapshot):
        return replace(snapshot, artifacts=_digests(snapshot.artifacts, record, "outputs"))
    run = snapshot.run
    if run is not None:
        run = replace(run, artifacts=_digests(run.artifacts, record, "outputs"))
    return replace(snapshot, run=run, files=_digests(snapshot.files, record, "model_files"))


def _digests(files: Iterable[Artifact], record: Record, section: str) -> tuple[Artifact, ...]:
    signed = record.values(section)
    return tuple(
        replace(one, sha256=signed[one.path]["sha256"])
        if one.path in signed and signed[one.path]["size"] == one.size
        else replace(one, sha256=_UNKNOWN)
        for one in files
    )
