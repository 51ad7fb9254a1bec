"""What the consumers share while the service runs: the file's word, and the answers under way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from flask import current_app, g

from mlflow_evidence_plugin.errors import Conflict, NotFound
from mlflow_evidence_plugin.policy.decision import rfc3339
from mlflow_evidence_plugin.storage import Deliveries, Principal

from ..auth import service
from .inflight import InFlight
from .outgoing import Outgoing

EXTENSION = "consumers"
PAUSE = 5.0
"""Seconds between two looks at a verdict that is pending."""

T = TypeVar("T")


@dataclass(frozen=True)
class Consumers:
    """The consumers file, read; how callbacks are made; and those that this process owes.

    `at_once` holds what a request waits for: it is not to wait for what is waited for elsewhere.
    """

    sections: Mapping[str, Any] = field(default_factory=dict, repr=False)
    outgoing: Outgoing = field(default_factory=Outgoing)
    in_flight: InFlight = field(default_factory=InFlight)
    at_once: InFlight = field(default_factory=InFlight)
    pause: float = PAUSE

    def section(self, name: str, kind: type[T]) -> T:
        """What the file says of a consumer; NotFound where it says nothing."""
        found = self.sections.get(name)
        if not isinstance(found, kind):
            mend = "its operator names it in the file of EVIDENCE_SERVICE_CONSUMERS_FILE"
            raise NotFound(f"{name} is not configured on this service", mend)
        return found


def consumers() -> Consumers:
    """The consumers, as the application was given them."""
    return cast(Consumers, current_app.extensions[EXTENSION])


def let_in(principal: Principal) -> Principal:
    """Note whose request it is, for the log, once its signature is verified."""
    g.caller = principal
    return principal


@dataclass(frozen=True)
class Delivery:
    """A webhook's delivery, by the id that its sender gave: it counts once."""

    table: Deliveries
    consumer: str
    name: str

    @classmethod
    def of(cls, consumer: str, name: str) -> Delivery:
        """A delivery, of which nothing is noted yet."""
        return cls(Deliveries(service().capturing.database), consumer, name)

    @classmethod
    def take(cls, consumer: str, name: str) -> Delivery:
        """Note a delivery; Conflict when it was here before."""
        found = cls.of(consumer, name)
        if not found.note():
            mend = "nothing is to be done: it was answered, or is being answered"
            raise Conflict("this delivery was here before", mend)
        return found

    @property
    def known(self) -> bool:
        """Whether it was here before."""
        return self.table.known(self.consumer, self.name)

    def note(self) -> bool:
        """Remember it; whether it is the first of its name."""
        return self.table.first(self.consumer, self.name, rfc3339(service().now()))

    def again(self) -> None:
        """Let it come again: its sender did not get the verdict."""
        self.table.again(self.consumer, self.name)
