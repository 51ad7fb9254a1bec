"""Where a command's answer comes from: the service, or the parts of it on this machine."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from typing import Any, Protocol

from ..client import EvidenceClient
from ..errors import BadConfig, NotInstalled, ServiceUnavailable, by_code
from .output import hashing

Subject = Mapping[str, str]

PATIENCE = 600.0
"""Seconds that a capture in the service is waited for."""
POLL = 2.0


class Backend(Protocol):
    """What the commands need."""

    def capture(self, subject: Subject) -> dict[str, Any]:
        """Capture, and the bundle that came of it."""

    def show(self, subject: Subject) -> bytes:
        """The newest bundle of a subject."""

    def decide(self, subject: Subject, environment: str | None) -> dict[str, Any]:
        """The decision on a model version."""


def backend(url: str | None, tracking_uri: str | None) -> Backend:
    """The service where one is named, else this machine and a tracking store."""
    if url and tracking_uri:
        raise BadConfig("both a service and a tracking store are named", "give one of them")
    if url:
        return Remote(url)
    return Local(tracking_uri)


class Remote:
    """The service at a URL, with the token of EVIDENCE_TOKEN."""

    def __init__(self, url: str) -> None:
        token = os.environ.get("EVIDENCE_TOKEN", "").strip()
        if not (token.isascii() and token.isprintable()):
            raise BadConfig("EVIDENCE_TOKEN has characters that no token has", "copy it again")
        if not token:
            mend = "set EVIDENCE_TOKEN; the operator makes one: mlflow-evidence token create"
            raise BadConfig("there is no token for the service", mend)
        self._client = EvidenceClient(url, token)

    def check(self) -> None:
        """An error unless the service answers, and to this token."""
        self._client.check()

    def capture(self, subject: Subject) -> dict[str, Any]:
        """Capture, wait until it has ended, and get the bundle."""
        order = self._client.capture(dict(subject))
        until = time.monotonic() + PATIENCE
        while order["state"] not in ("done", "failed"):
            if time.monotonic() > until:
                mend = "it goes on in the service; ask later: mlflow-evidence show"
                raise ServiceUnavailable(f"the capture {order['id']} has not ended yet", mend)
            time.sleep(POLL)
            order = self._client.capture_state(order["id"])
        if order["state"] == "failed":
            error = order["error"]
            raise by_code(error["code"])(error["detail"], error["mend"])
        found: dict[str, Any] = json.loads(self._client.bundle(order["digest"]))
        return found

    def show(self, subject: Subject) -> bytes:
        """The newest bundle of a subject."""
        return self._client.evidence(dict(subject))

    def decide(self, subject: Subject, environment: str | None) -> dict[str, Any]:
        """The decision on a model version."""
        return self._client.decide(dict(subject), environment)


class Local:
    """The service's own rooms, with a home on this machine and every right on it."""

    def __init__(self, tracking_uri: str | None) -> None:
        try:
            from .. import wiring
            from ..settings import Settings
            from ..storage import Principal
        except ImportError as error:
            raise NotInstalled(
                f"to make evidence here, {error.name} is missing",
                "pip install 'mlflow-evidence-plugin[report]', or name a service: EVIDENCE_URL",
            ) from error
        named = {"EVIDENCE_SERVICE_TRACKING_URI": tracking_uri} if tracking_uri else {}
        settings = Settings.read({**os.environ, **named})
        settings.need_store()
        wiring.prepare(settings)
        self._evidence = wiring.build(settings)
        self._me = Principal("local", ("admin",), ("*",), ("*",), "local")

    def capture(self, subject: Subject) -> dict[str, Any]:
        """Capture now, with a progress bar on a terminal."""
        from ..service import CaptureRequest

        capturing = self._evidence.capturing
        order = self._evidence.capture(CaptureRequest(**subject), self._me)
        with hashing() as progress:
            ended = capturing.perform(order.id, progress)
        if ended.record_digest is None:
            # Nobody waits to try it again here: what would be retried is told instead.
            kind = by_code(ended.error_code or "")
            raise kind(ended.error_detail or "", ended.error_mend or "")
        found: dict[str, Any] = json.loads(
            self._evidence.bundle(ended.record_digest, self._me).document()
        )
        return found

    def show(self, subject: Subject) -> bytes:
        """The newest bundle of a subject."""
        if "run_id" in subject:
            return self._evidence.of_run(subject["run_id"], self._me).document()
        model = subject["model"]
        if "version" in subject:
            return self._evidence.of_version(model, subject["version"], self._me).document()
        bundle, found = self._evidence.of_alias(model, subject["alias"], self._me)
        return bundle.document(found.shown)

    def decide(self, subject: Subject, environment: str | None) -> dict[str, Any]:
        """The decision on a model version."""
        from ..policy.decision import rfc3339

        model = subject["model"]
        if "alias" in subject:
            asked = (model, subject["alias"])
            decision, at = self._evidence.decide_alias(asked, environment, self._me)
        else:
            asked = (model, subject["version"])
            decision = self._evidence.decide(asked, environment, self._me)
            at = rfc3339(self._evidence.now())
        return decision.answer(at, None)
