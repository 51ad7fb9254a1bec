"""Where a command's answer comes from: the service, or the parts of it on this machine."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from ..client import EvidenceClient
from ..errors import BadConfig, NotInstalled, ServiceUnavailable, by_code
from ..render.formats import renderer
from .options import NO_PLACE
from .output import progress

Subject = Mapping[str, str]
Document = dict[str, Any]

PATIENCE = 600.0
"""Seconds that a capture in the service is waited for."""
POLL = 2.0


class Backend(Protocol):
    """What the commands need."""

    def capture(self, subject: Subject) -> dict[str, Any]:
        """Capture, and the bundle that came of it."""

    def show(self, subject: Subject, form: str = "json") -> bytes:
        """The newest bundle of a subject, in a format of `RENDERERS`."""

    def decide(self, subject: Subject, environment: str | None) -> dict[str, Any]:
        """The decision on a model version."""

    def archive(self, subject: Subject, size: int | None, artifacts: int) -> Iterator[bytes]:
        """The archive of a subject, under the head of the log with `size` leaves, or the newest.

        With at most `artifacts` bytes of its files.
        """

    def erase(self, digest: str, reason: str) -> Document:
        """Erase a record, and what its tombstone says."""

    def explain(self, policy: bytes, asked: Mapping[str, str]) -> Document:
        """A page of what a policy would have blocked."""

    def drift(self, subject: Subject, contents: bool) -> Document:
        """What changed since the newest evidence of a subject was signed."""

    def ticket(self, key: str) -> Document:
        """All that belongs to a change ticket."""

    def archive_of(self, digest: str) -> Iterator[bytes]:
        """The archive of the subject of a record, without files."""

    def compare(self, named: Sequence[str], directions: Mapping[str, Sequence[str]]) -> Document:
        """What differs between the first and each other; metrics by which way is better."""

    def history(self, experiment: str, asked: Mapping[str, Any]) -> Document:
        """A metric over the runs of an experiment."""

    def plot(self, experiment: str, asked: Mapping[str, Any], media_type: str) -> bytes:
        """The same as a picture."""


def backend(url: str | None, tracking_uri: str | None) -> Backend:
    """The service where one is named, else this machine and a tracking store."""
    if url and tracking_uri:
        raise BadConfig("both a service and a tracking store are named", "give one of them")
    if url:
        return Remote(url)
    return Local(tracking_uri)


def token_of(variable: str) -> str:
    """The token in a variable: on a command line every user of the machine could read it."""
    token = os.environ.get(variable, "").strip()
    if not (token.isascii() and token.isprintable()):
        raise BadConfig(f"{variable} has characters that no token has", "copy it again")
    if not token:
        mend = f"set {variable}; the operator makes one: mlflow-evidence token create"
        raise BadConfig("there is no token for the service", mend)
    return token


class Remote:
    """The service at a URL, with the token of EVIDENCE_TOKEN."""

    def __init__(self, url: str) -> None:
        self._client = EvidenceClient(url, token_of("EVIDENCE_TOKEN"))

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

    def show(self, subject: Subject, form: str = "json") -> bytes:
        """The newest bundle of a subject, in a format of `RENDERERS`."""
        return self._client.evidence(dict(subject), renderer(form).media_type)

    def decide(self, subject: Subject, environment: str | None) -> dict[str, Any]:
        """The decision on a model version."""
        return self._client.decide(dict(subject), environment)

    def archive(self, subject: Subject, size: int | None, artifacts: int) -> Iterator[bytes]:
        """The archive of a subject, piece by piece."""
        digest = json.loads(self._client.evidence(dict(subject)))["digest"]
        return self._client.archive(digest, size, artifacts)

    def drift(self, subject: Subject, contents: bool) -> Document:
        """What changed since the newest evidence of a subject was signed."""
        digest = json.loads(self._client.evidence(dict(subject)))["digest"]
        return self._client.drift(digest, contents)

    def ticket(self, key: str) -> Document:
        """All that belongs to a change ticket."""
        return self._client.ticket(key)

    def archive_of(self, digest: str) -> Iterator[bytes]:
        """The archive of the subject of a record, without files."""
        return self._client.archive(digest)

    def erase(self, digest: str, reason: str) -> Document:
        """Erase a record, and what its tombstone says."""
        return self._client.erase(digest, reason)

    def explain(self, policy: bytes, asked: Mapping[str, str]) -> Document:
        """A page of what a policy would have blocked."""
        return self._client.explain(policy, **asked)

    def compare(self, named: Sequence[str], directions: Mapping[str, Sequence[str]]) -> Document:
        """What differs between the first and each other."""
        return self._client.compare(named, **{k: ",".join(v) for k, v in directions.items() if v})

    def history(self, experiment: str, asked: Mapping[str, Any]) -> Document:
        """A metric over the runs of an experiment."""
        found: Document = json.loads(self._client.history(experiment, **asked))
        return found

    def plot(self, experiment: str, asked: Mapping[str, Any], media_type: str) -> bytes:
        """The same as a picture."""
        return self._client.history(experiment, media_type, **asked)


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
        settings.need_store(NO_PLACE)
        wiring.prepare(settings)
        self._evidence = wiring.build(settings)
        self._me = Principal("local", ("admin",), ("*",), ("*",), "local")

    def capture(self, subject: Subject) -> dict[str, Any]:
        """Capture now, with a progress bar on a terminal."""
        from ..service import CaptureRequest

        capturing = self._evidence.capturing
        order = self._evidence.capture(CaptureRequest(**subject), self._me)
        with progress("reading and hashing") as advance:
            ended = capturing.perform(order.id, advance)
        if ended.record_digest is None:
            # Nobody waits to try it again here: what would be retried is told instead.
            kind = by_code(ended.error_code or "")
            raise kind(ended.error_detail or "", ended.error_mend or "")
        found: dict[str, Any] = json.loads(
            self._evidence.bundle(ended.record_digest, self._me).document()
        )
        return found

    def show(self, subject: Subject, form: str = "json") -> bytes:
        """The newest bundle of a subject, in a format of `RENDERERS`."""
        bundle, resolved = self._newest(subject)
        exhibit = self._evidence.exhibit(bundle, self._me, resolved)
        try:
            return renderer(form).render(exhibit)
        except ImportError as error:
            mend = "pip install 'mlflow-evidence-plugin[report]'"
            raise NotInstalled(f"for {form}, {error.name} is missing", mend) from error

    def _newest(self, subject: Subject) -> tuple[Any, Any]:
        if "run_id" in subject:
            return self._evidence.of_run(subject["run_id"], self._me), None
        model = subject["model"]
        if "version" in subject:
            return self._evidence.of_version(model, subject["version"], self._me), None
        return self._evidence.of_alias(model, subject["alias"], self._me)

    def archive(self, subject: Subject, size: int | None, artifacts: int) -> Iterator[bytes]:
        """The archive of a subject, piece by piece."""
        bundle, _ = self._newest(subject)
        return self._evidence.archive(bundle.digest, self._me, size, artifacts)[1]

    def drift(self, subject: Subject, contents: bool) -> Document:
        """What changed since the newest evidence of a subject was signed."""
        bundle, _ = self._newest(subject)
        return self._evidence.drifting.of(bundle.record(), self._me, contents)

    def ticket(self, key: str) -> Document:
        """All that belongs to a change ticket."""
        items: list[Document] = []
        cursor = None
        while True:
            page = self._evidence.change.page(key, self._me, cursor, 200)
            items += page["items"]
            cursor = page["next"]
            if cursor is None:
                return {"ticket": key, "items": items}

    def archive_of(self, digest: str) -> Iterator[bytes]:
        """The archive of the subject of a record, without files."""
        return self._evidence.archive(digest, self._me)[1]

    def erase(self, digest: str, reason: str) -> Document:
        """Erase a record, and what its tombstone says."""
        return self._evidence.erase(digest, reason, self._me).facts

    def explain(self, policy: bytes, asked: Mapping[str, str]) -> Document:
        """A page of what a policy would have blocked."""
        from ..service.explaining import Asked, DryRun

        evidence = Asked(asked.get("model"), asked.get("since"))
        question = DryRun(asked.get("environment"), evidence, asked.get("cursor"))
        return self._evidence.explain(policy, question, self._me)

    def compare(self, named: Sequence[str], directions: Mapping[str, Sequence[str]]) -> Document:
        """What differs between the first and each other."""
        from ..service.comparing import directions as by_metric

        which = by_metric(directions.get("higher", ()), directions.get("lower", ()))
        return self._evidence.compare(named, self._me, which)

    def history(self, experiment: str, asked: Mapping[str, Any]) -> Document:
        """A metric over the runs of an experiment."""
        from ..record.regressions import Question
        from ..service.comparing import tolerance

        told = dict(asked)
        limit = told.pop("limit")
        number, share = tolerance(told.pop("tolerance"))
        question = Question(**told, tolerance=number, relative=share)
        return self._evidence.history(experiment, question, self._me, limit)

    def plot(self, experiment: str, asked: Mapping[str, Any], media_type: str) -> bytes:
        """The same as a picture."""
        from ..render.plots import plot

        return plot(self.history(experiment, asked), media_type)

    def decide(self, subject: Subject, environment: str | None) -> dict[str, Any]:
        """The decision on a model version."""
        from ..policy.decision import rfc3339

        gate, model = self._evidence.gate, subject["model"]
        if "alias" in subject:
            asked = ((model, subject["alias"]), environment, self._me)
            decision, at = gate.decide_alias(*asked, fresh=True)
        else:
            asked = ((model, subject["version"]), environment, self._me)
            decision, at = gate.decide(*asked, fresh=True), rfc3339(self._evidence.now())
        return decision.answer(at, None)
