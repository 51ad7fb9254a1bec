"""A verdict that another system waits for: found beside the request, and given by a callback."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial

from mlflow_evidence_plugin.errors import EvidenceError

from ..address import own_address
from ..auth import service
from .asking import Question, Verdict, ask, settled
from .runtime import Delivery, consumers

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Owed:
    """To whom a verdict is owed, on what, and how it is given.

    `give` is called with the verdict, and before that if it is `pending`: once, and again when the
    same is asked again. `key` tells the same question from another; `where` is for the log, and
    begins with the consumer's name. `anew`: who asks again while the answer is on its way, gets
    another one.
    """

    key: Hashable
    where: tuple[str, ...]
    minutes: int
    asked: Question | Verdict
    give: Callable[[Verdict], None]
    anew: bool = False


def begin(owed: Owed, delivery: Delivery | None = None) -> None:
    """Answer beside the request; Busy. A delivery whose answer was not taken may come again."""
    shared, evidence, host_url, asked = consumers(), service(), own_address(), owed.asked

    def now() -> Verdict:
        return ask(evidence, asked, host_url) if isinstance(asked, Question) else asked

    def answer() -> None:
        try:
            again = partial(shared.in_flight.repeated, owed.key)
            verdict = settled(now, owed.minutes * 60, shared.pause, owed.give, again)
            owed.give(verdict)
        except Exception:
            if delivery is not None:
                delivery.again()
            raise
        codes = ",".join(one["code"] for one in verdict.reasons) or "no reasons"
        log.info("%s: %s: %s", " ".join(owed.where), verdict.status, codes)

    try:
        shared.in_flight.begin(owed.key, answer, owed.where[0], owed.anew)
    except EvidenceError:
        if delivery is not None:
            delivery.again()
        raise
