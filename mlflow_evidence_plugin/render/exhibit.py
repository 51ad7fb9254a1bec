"""What a renderer is given: one bundle, and what is shown beside it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..record.canonical import loads


def no_series(digest: str) -> bytes | None:
    """For who has no series at hand: the figures are shown, and nothing is drawn."""
    return None


@dataclass(frozen=True)
class Exhibit:
    """A bundle as it is kept, with decisions about it and a way to its metric series.

    `data` are the bundle's exact bytes; `decisions` are documents as `Decision.document()` makes
    them; `series` takes the digest of a series and returns its lines `step,timestamp,value`, or
    None; `now` (RFC 3339, UTC) tells which verdicts have run out, where it is given. `approvals`
    and `waivers` are what people have said about the subject, each with its `state`.
    """

    data: bytes = field(repr=False)
    decisions: Sequence[Mapping[str, Any]] = ()
    series: Callable[[str], bytes | None] = no_series
    now: str | None = None
    approvals: Sequence[Mapping[str, Any]] = ()
    waivers: Sequence[Mapping[str, Any]] = ()

    @cached_property
    def document(self) -> dict[str, Any]:
        """The bundle, parsed; BadRecord for what is not JSON."""
        document: dict[str, Any] = loads(self.data)
        return document


def predicate_type(envelope: Mapping[str, Any]) -> str:
    """What kind of statement an envelope says it holds; this does not verify it."""
    try:
        return str(json.loads(base64.b64decode(envelope["payload"]))["predicateType"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return "unreadable"
