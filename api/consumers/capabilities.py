"""Systems that can send no header: what their views share."""

from __future__ import annotations

import re
from typing import Any

from marshmallow import Schema

from .signatures import Verified
from .webhooks import payload

PATH = "<string(maxlength=200):capability>"
"""A token for verdicts in one environment, in the address. It is never logged or answered."""


def document(schema: Schema, body: bytes) -> dict[str, Any]:
    """What a body says whose sender was let in by the address; BadInput.

    It is not read as webargs does: these senders are not asked for a content type.
    """
    return payload(schema, Verified(body))


def bounded(text: str) -> str:
    """A name of a caller's for the log: one word."""
    return re.sub(r"[^\w.-]", "?", text, flags=re.ASCII)[:253]
