"""Verdicts, as they are made, told on: to ticket systems, and to MLflow. Nobody waits for it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Any

from mlflow_evidence_plugin.errors import ArchiveTooLarge, EvidenceError
from mlflow_evidence_plugin.policy.decision import rfc3339
from mlflow_evidence_plugin.record import canonical, digest_of
from mlflow_evidence_plugin.service import Evidence
from mlflow_evidence_plugin.service.linking import Linking
from mlflow_evidence_plugin.storage import Owed, Pushes

from .outgoing import RETRIES, Limits, Outgoing
from .ticketing import ATTACH_BYTES, News, NotTaken, Part, TicketSystem

log = logging.getLogger(__name__)

NEWS = timedelta(days=7)
"""What is older is no news: it is not told when a system is configured, or a worker comes back."""

LEASE = timedelta(minutes=15)
"""For which a worker has a ticket to itself, from each part that it tells."""

FIRST_PAUSE, LONGEST_PAUSE = 60, 4 * 60 * 60
"""Seconds before another try: the first, and twice as many each time, up to the longest."""

PAGE = 200
_SAME = 200
"""Verdicts that are looked through for whether one still says what it said."""

ONCE = Outgoing(
    RETRIES.new(total=0), limits=Limits(read=70, whole=300, answer_seconds=60, answer_bytes=1 << 20)
)
"""A comment that comes twice is two comments: another try is for later, and is counted.

ServiceNow lets a call run for 60 s, unless somebody has changed that; and an archive is long.
"""


@dataclass
class Telling:
    """Tells each verdict that has changed once, whoever made it and however many workers look."""

    evidence: Evidence
    systems: Mapping[str, TicketSystem]
    linking: Linking | None
    public_url: str | None
    outgoing: Outgoing = ONCE
    seq: int = field(default=0, init=False)
    said: dict[str, str] = field(default_factory=dict, init=False)

    @property
    def pushes(self) -> Pushes:
        """What is owed, and what was ever told."""
        return Pushes(self.evidence.capturing.database)

    def catch_up(self) -> None:
        """Order what is new, then tell what is due.

        What turned while something was told is ordered before the next is told.
        """
        self._order_fresh()
        for name, system in self.systems.items():
            while owed := self._due(name):
                taken = self._told(owed, system)
                self._order_fresh()
                if not taken:
                    break

    def _order_fresh(self) -> None:
        for seq, document in self._fresh():
            self._order(seq, document)

    def _fresh(self) -> Iterator[tuple[int, dict[str, Any]]]:
        decisions = self.evidence.deciding.decisions
        while True:
            since = rfc3339(self.evidence.now() - NEWS)
            found = decisions.after(self.seq, since, PAGE)
            if self.linking is not None:
                self._link(self.linking, [one for _, one in found])
            for seq, document in found:
                yield seq, document
                self.seq = seq
            if len(found) < PAGE:
                return

    def _link(self, linking: Linking, found: list[dict[str, Any]]) -> None:
        """Write the newest verdict on each subject back; an older one would be a false link."""
        latest = self.evidence.deciding.decisions.latest
        for where in {(one["subject"], one["environment"]) for one in found}:
            document = latest(*where)
            if document is not None:
                linking.link(document, _digest(document))

    def _order(self, seq: int, document: Mapping[str, Any]) -> None:
        if not self.systems or not self._news(seq, document):
            return
        bundles = self.evidence.capturing.bundles
        try:
            bundle = bundles.get(document["record"])
        except EvidenceError:
            return  # erased
        ticket = bundle.record().value("governance", "ticket")
        now = rfc3339(self.evidence.now())
        for name, system in self.systems.items():
            desk = system.desk
            seen = desk.principal.sees(bundle.model, bundle.experiment)
            if seen and desk.wants(ticket, document["environment"]):
                self.pushes.order(name, f"{_digest(document)} {ticket}", now)

    def _news(self, seq: int, document: Mapping[str, Any]) -> bool:
        """Whether a verdict says anything that the one before it did not."""
        where = (document["subject"], document["environment"])
        before = self.evidence.deciding.decisions.history(*where, seq, 1)
        return not before or _gist(before[0][1]) != _gist(document)

    def _due(self, name: str) -> Owed | None:
        return self.pushes.take(name, rfc3339(self.evidence.now()), self._lease())

    def _lease(self) -> str:
        return rfc3339(self.evidence.now() + LEASE)

    def _told(self, owed: Owed, system: TicketSystem) -> bool:
        """Tell one thing; False where the system takes nothing now."""
        try:
            news = self._news_of(owed, system)
            parts = system.parts(news, self.outgoing) if news else iter(())
            whole = all(self._tell(owed, part) for part in parts)
        except NotTaken as error:
            self._later(owed, error)
            return error.of_one
        except Exception as error:
            # Never its words, which may hold what lets us in.
            said = f"an unexpected {type(error).__name__}"
            self._later(owed, NotTaken(said, "tell the makers of this service", None, None))
            return True
        self.pushes.done(owed)
        if news and whole:
            self.said.pop(owed.system, None)
            log.info("%s %s: told that %s", owed.system, news.ticket, _brief(news.verdict))
        return True

    def _tell(self, owed: Owed, part: Part) -> bool:
        """Tell a part that was not taken yet; NotTaken.

        False where no more is to be told: the verdict has turned meanwhile, or another worker has
        the ticket.
        """
        if self.pushes.has(owed, part.name):
            return True
        if not self.pushes.renew(owed, self._lease()) or self._still(owed) is None:
            return False
        try:
            part.tell()
        except NotTaken as error:
            if not error.lost or part.again or self._first(owed, part):
                raise
            said = "%s %s: the answer to %s was lost twice: it may not have come; look there"
            log.warning(said, owed.system, owed.ticket, part.name)
        self.pushes.took(owed, part.name, rfc3339(self.evidence.now()))
        return True

    def _first(self, owed: Owed, part: Part) -> bool:
        """Whether no answer to this part was lost before; from now on one was.

        The second time it is left at that: a system that takes what it is told, and is slow to say
        so, would be told the same at every try.
        """
        lost = f"{part.name} lost"
        known = self.pushes.has(owed, lost)
        self.pushes.took(owed, lost, rfc3339(self.evidence.now()))
        return not known

    def _later(self, owed: Owed, error: NotTaken) -> None:
        """Another try, not before its pause is over; said once, however often it comes again."""
        pause = min(FIRST_PAUSE << owed.tries, LONGEST_PAUSE)
        pause = max(pause, min(error.pause or 0, LONGEST_PAUSE))
        kept = self.pushes.later(owed, rfc3339(self.evidence.now() + timedelta(seconds=pause)))
        if not kept:
            log.warning("%s %s: given up: %s", owed.system, owed.ticket, error.detail)
        elif self.said.get(owed.system) != error.detail:
            said = (owed.system, owed.ticket, error.detail, error.mend)
            log.warning("%s %s: not told of a verdict: %s; %s", *said)
        self.said[owed.system] = error.detail

    def _news_of(self, owed: Owed, system: TicketSystem) -> News | None:
        """What is to be told; None where it is no longer true, or no longer there."""
        verdict = self._still(owed)
        if verdict is None:
            return None
        record, who = verdict["record"], system.desk.principal
        try:
            bundle = self.evidence.bundle(record, who)
            exhibit = replace(self.evidence.exhibit(bundle, who), decisions=[verdict])
        except EvidenceError:
            return None  # erased
        url = f"{self.public_url}/bundles/{record}" if self.public_url else None
        where = verdict["environment"]
        archive = partial(self._archive, record, system)
        return News(owed.ticket, where, verdict, exhibit, archive, url)

    def _still(self, owed: Owed) -> dict[str, Any] | None:
        """The newest verdict that says what is owed, unless another came between."""
        digest, decisions = owed.name.partition(" ")[0], self.evidence.deciding.decisions
        told = decisions.get(digest)
        if told is None:
            return None
        history = decisions.history(told["subject"], told["environment"], None, _SAME)
        for _, one in history:
            if _gist(one) != _gist(told):
                return None
            if _digest(one) == digest:
                return history[0][1]
        return None

    def _archive(self, record: str, system: TicketSystem) -> tuple[str, bytes] | None:
        try:
            name, pieces = self.evidence.archive(record, system.desk.principal)
        except ArchiveTooLarge:
            return None
        data = bytearray()
        with closing(pieces):
            for piece in pieces:
                data += piece
                if len(data) > ATTACH_BYTES:
                    log.warning("the archive of %s is too long to be attached", record)
                    return None
        return name, bytes(data)


def _digest(document: Mapping[str, Any]) -> str:
    return digest_of(canonical(document))


def _gist(of: Mapping[str, Any]) -> tuple[Any, ...]:
    """What must differ for a verdict to be news: its word, its reasons, or what it is on."""
    return of["status"], of["release"], sorted(one["code"] for one in of["reasons"])


def _brief(verdict: Mapping[str, Any]) -> str:
    return f"{verdict['subject']} for {verdict['environment']} is {verdict['status']}"


__all__ = ["NEWS", "ONCE", "Telling"]
