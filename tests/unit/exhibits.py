"""Bundles as renderers get them, from snapshots made by hand; and a reader of what comes out."""

from __future__ import annotations

import base64
import json
from html.parser import HTMLParser

from mlflow_evidence_plugin.record import record_of
from mlflow_evidence_plugin.record.model import Record
from mlflow_evidence_plugin.render.exhibit import Exhibit
from mlflow_evidence_plugin.statements.release import release_statement
from tests.browser.gallery import made_version
from tests.unit import samples

DECISION = {
    "allowed": False,
    "status": "failed",
    "environment": "prod",
    "reasons": [{"code": "metric-threshold", "found": "auc 0.5", "asked": "0.9", "mend": "train"}],
    "warnings": [{"code": "required-tags", "found": "none", "asked": "runbook", "mend": "set it"}],
    "policy": "sha256:" + "1" * 64,
    "evaluated_at": "2026-06-01T12:00:00.000Z",
    "expires_at": "2026-06-02T12:00:00.000Z",
}
ALLOWED = {**DECISION, "allowed": True, "status": "passed", "reasons": [], "warnings": []}


def envelope_of(statement: bytes) -> bytes:
    """An envelope in the form in which it is kept, signed by nobody."""
    payload = base64.b64encode(statement).decode()
    signatures = [{"keyid": "", "sig": "AA=="}]
    told = {"payload": payload, "payloadType": "x", "signatures": signatures}
    return json.dumps(told, separators=(",", ":"), sort_keys=True).encode()


def bundle(record: Record, count: int = 1, **more: object) -> bytes:
    signed = json.loads(envelope_of(release_statement(record)))
    head = {
        "digest": record.digest,
        "subject": record.subject.name,
        "captured_at": "2026-06-01T12:00:00.000Z",
    }
    return json.dumps(
        {**head, **more, "statements": [signed] * count, "record": record.document}
    ).encode()


def exhibit(snapshot=None, decisions=(), **more) -> Exhibit:
    snapshot = snapshot or made_version()
    run = getattr(snapshot, "run", snapshot)
    kept = {series.digest: series.text for series in run.series}
    return Exhibit(bundle(record_of(snapshot, samples.STORE), **more), decisions, kept.get)


class Elements(HTMLParser):
    """The elements of a page, each with the names of its attributes and its own values of some."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.links: list[str] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, tuple(name for name, _ in attrs)))
        self.links += [value for name, value in attrs if name in ("href", "src", "action")]

    def handle_data(self, data):
        self.text.append(data)
