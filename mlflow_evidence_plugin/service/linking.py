"""Write-back: from a model version in MLflow to its evidence, where the operator allows it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..collect import MlflowStore, Writer
from ..errors import EvidenceError, NotFound
from ..record import Record, Subject
from ..storage import Bundles
from ..tags import unstorable

log = logging.getLogger(__name__)

PREFIX = "evidence.link."
"""Tags that no record has, so that writing them back changes no evidence."""


@dataclass(frozen=True)
class Linking:
    """Tags a model version with where its run, its record and its verdicts are."""

    store: MlflowStore
    bundles: Bundles
    public_url: str | None

    def link(self, decision: Mapping[str, Any], digest: str) -> None:
        """Tag the version that a verdict is on. What hinders it is logged, and hinders nobody."""
        try:
            record = self.bundles.get(decision["record"]).record()
            subject = record.subject
            if not subject.model or not subject.version:
                return
            known = self.links(record, decision, digest)
            created = record.value("version", "created")
            Writer(self.store).link((subject.model, subject.version), created, known)
        except EvidenceError as error:
            where = decision["subject"]
            log.warning("%s has no link to its evidence: %s; %s", where, error.detail, error.mend)

    def links(self, record: Record, decision: Mapping[str, Any], digest: str) -> dict[str, str]:
        """The tags: addresses where the service's own is known, else what they lead to."""
        found = {"record": self._at("bundles", record.digest)}
        if record.run_id:
            captured = self._captured(record.run_id)
            found["run"] = self._at("runs", record.run_id) if captured else record.run_id
        found[f"decision.{decision['environment']}"] = f"{decision['status']} {digest}"
        tags = {PREFIX + name: value for name, value in found.items()}
        return {tag: value for tag, value in tags.items() if unstorable(tag, value) is None}

    def _captured(self, run_id: str) -> bool:
        """Whether the run has evidence of its own, so that there is a page of it."""
        try:
            self.bundles.latest(Subject("", run_id=run_id).name)
        except NotFound:
            return False
        return True

    def _at(self, kind: str, name: str) -> str:
        return f"{self.public_url}/{kind}/{name}" if self.public_url else name


__all__ = ["PREFIX", "Linking"]
