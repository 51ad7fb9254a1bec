"""All that belongs to a change ticket: what was trained, judged, approved and waived under it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from ..errors import BadInput, NotFound
from ..policy.decision import rfc3339
from ..storage import Bundles, Held, Holdings, Listing, Principal, Tickets
from .approving import said_about
from .deciding import Deciding
from .holding import Found, Holding

DAYS = 90
"""From which age on the evidence is told to be stale."""


@dataclass(frozen=True)
class Change:
    """Where what is told of a ticket comes from."""

    deciding: Deciding

    def page(
        self, ticket: str, caller: Principal, cursor: str | None, limit: int
    ) -> dict[str, Any]:
        """`ticket, items, next`: a record each, the newest first; none for an unknown ticket."""
        bundles, now = self._bundles, rfc3339(self.deciding.now())
        before = _position(cursor) if cursor else None
        tickets = Tickets(bundles.database, bundles.store)
        listed, last = tickets.page(ticket, caller.view, before, limit, now)
        holdings = Holdings(bundles.database, bundles.store)
        newest = holdings.newest([one.subject for one in listed], now)
        items = [self._item(one, ticket, newest.get(one.subject)) for one in listed]
        told = [one for one in items if one is not None]
        return {"ticket": ticket, "items": told, "next": _cursor(last) if last else None}

    def _item(self, listed: Listing, ticket: str, newest: Held | None) -> dict[str, Any] | None:
        try:
            bundle = self._bundles.get(listed.digest)
        except NotFound:
            return None  # erased a moment ago
        record = bundle.record()
        entries = said_about(self.deciding, record)
        held = Held(listed.subject, listed.digest, bundle.body, listed.captured_at, listed.verdicts)
        line = Holding(self.deciding, DAYS, None).line(Found(None, None, held, record))
        return {
            **{name: value for name, value in vars(listed).items() if name != "ticket"},
            "run": record.value("run", "name"),
            "named_by": list(_named_by(record.value("governance", "ticket"), ticket, entries)),
            "newest": newest is not None and newest.digest == listed.digest,
            **entries,
            "lacks": line["lacks"],
        }

    @property
    def _bundles(self) -> Bundles:
        return self.deciding.gathering.bundles


def _named_by(governance: str | None, ticket: str, entries: Mapping[str, Any]) -> list[str]:
    named = ["governance"] if governance == ticket else []
    for what, kind in (("approvals", "approval"), ("waivers", "waiver")):
        named += [kind] if any(one["ticket"] == ticket for one in entries[what]) else []
    return named


def _cursor(last: UUID) -> str:
    return base64.urlsafe_b64encode(last.bytes).decode().rstrip("=")


def _position(cursor: str) -> UUID:
    try:
        return UUID(bytes=base64.b64decode(cursor + "==", b"-_", validate=True))
    except (ValueError, binascii.Error) as error:
        mend = "ask without a cursor first, and change nothing but the cursor from page to page"
        raise BadInput("the cursor is not one of this ticket", mend) from error
