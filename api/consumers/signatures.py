"""Who sent a webhook: HMAC-SHA256 over its bytes, checked before anything in them is believed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import datetime, timedelta, timezone
from typing import Any

from mlflow_evidence_plugin.errors import BadInput, Unauthorized

TOLERANCE = timedelta(minutes=5)
"""How far a sender's clock may be from ours, and how long a signed delivery may be under way."""


class Verified(bytes):
    """A body that its sender signed: all that `parsed` takes."""

    __slots__ = ()


def of_hex(body: bytes, secret: bytes, sent: str | None) -> Verified:
    """A body whose HMAC is given in hex, as GitHub and GitLab do; Unauthorized."""
    return _checked(body, hmac.new(secret, body, hashlib.sha256).hexdigest(), [sent or ""])


def of_standard_webhook(
    body: bytes, secret: bytes, headers: tuple[str, str, str], now: datetime
) -> Verified:
    """A body with `webhook-id`, `webhook-timestamp` and `webhook-signature`; Unauthorized.

    https://github.com/standard-webhooks/standard-webhooks: base64, over `id.timestamp.body`.
    """
    name, at, sent = headers
    signed = f"{name}.{at}.".encode() + body
    made = base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
    told = [one.removeprefix("v1,") for one in sent.split()[:8] if one.startswith("v1,")]
    found = _checked(body, made, told)
    try:
        age = now - datetime.fromtimestamp(int(at), timezone.utc)
    except (ValueError, OverflowError, OSError):
        raise _unsigned() from None
    if abs(age) > TOLERANCE:
        raise Unauthorized("the delivery's time is not now", "see to both clocks, or send it anew")
    return found


def parsed(body: Verified) -> dict[str, Any]:
    """The JSON object that a body holds; BadInput."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise BadInput("the body is no JSON object", "choose the content type application/json")
    return found


def _checked(body: bytes, made: str, sent: list[str]) -> Verified:
    if not any(hmac.compare_digest(made.encode(), one.encode()) for one in sent):
        raise _unsigned()
    return Verified(body)


def _unsigned() -> Unauthorized:
    mend = "put the same secret into the sender's webhook and into the file that is named here"
    return Unauthorized("the delivery's signature is missing or wrong", mend)
