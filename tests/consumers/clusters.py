"""Flagger and Gatekeeper, as far as they ask us and take our answers."""

from __future__ import annotations

import http.client
import json
import ssl
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

FLAGGER_TIMEOUT = 10.0
FLAGGER_BEST = 202
EVENT_LIMIT = 1024


def post(
    url: str, document: Any, timeout: float, tls: ssl.SSLContext | None = None
) -> tuple[int, bytes]:
    """One POST of JSON, without any header of ours."""
    parts = urlsplit(url)
    if tls is None:
        connection = http.client.HTTPConnection(parts.netloc, timeout=timeout)
    else:
        connection = http.client.HTTPSConnection(parts.netloc, timeout=timeout, context=tls)
    try:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        connection.request("POST", parts.path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@dataclass
class Canary:
    """A canary: fluxcd/flagger, pkg/controller/webhook.go and scheduler_hooks.go."""

    url: str
    metadata: dict[str, Any]
    weight: int = 0
    failed: int = 0
    events: list[str] = field(default_factory=list)

    def called(self, phase: str, **more: Any) -> str | None:
        """`CallWebhook`: None, or the error. What is above 202 is one, and its body is its text."""
        payload = {
            "name": "credit",
            "namespace": "serving",
            "phase": phase,
            "checksum": "85d557f47b",
            "metadata": self.metadata,
            **more,
        }
        try:
            status, body = post(self.url, payload, FLAGGER_TIMEOUT)
        except OSError as error:
            return str(error)
        return body.decode() if status > FLAGGER_BEST else None

    def advance(self, phase: str = "Progressing") -> bool:
        """An iteration with a `rollout` hook: more weight, or a failed check and an event."""
        wrong = self.called(phase)
        if wrong is None:
            self.weight += 10
            return True
        self.failed += 1
        self.events.append(f"Halt advancement external check model-evidence failed {wrong}")
        return False


def external_data(
    url: str, keys: list[Any], timeout: float = 3, tls: ssl.SSLContext | None = None
) -> dict[str, Any]:
    """Gatekeeper's built-in `external_data`, as a rule in Rego sees it.

    open-policy-agent/frameworks, constraint/pkg/externaldata: `DefaultSendRequestToProvider` reads
    the body whatever the status says, and `NewRegoResponse` parts the items by `error`.
    """
    request = {
        "apiVersion": "externaldata.gatekeeper.sh/v1beta1",
        "kind": "ProviderRequest",
        "request": {"keys": keys},
    }
    status, body = post(url, request, timeout, tls)
    found = json.loads(body).get("response", {})
    items = found.get("items", [])
    return {
        "responses": [[i.get("key"), i.get("value")] for i in items if not i.get("error")],
        "errors": [[i.get("key"), i["error"]] for i in items if i.get("error")],
        "status_code": status,
        "system_error": found.get("systemError", ""),
    }


def violations(subject: str | None, answer: dict[str, Any] | None) -> list[str]:
    """The rule of docs/integrations/gatekeeper.md, line by line; None is an undefined answer."""
    if subject is None:
        return ["the annotation mlflow-evidence/subject is missing"]
    if answer is not None and answer["system_error"] == "":
        for key, value in answer["responses"]:
            if key == subject and value["allowed"] is True:
                return []
    why: set[str] = set()
    if answer is not None:
        why |= {answer["system_error"]} - {""}
        why |= {text for _, text in answer["errors"]}
        why |= {text for _, value in answer["responses"] for text in value["reasons"]}
    return [f"{subject} may not be deployed: {'; '.join(sorted(why))}"]
