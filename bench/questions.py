"""What a service is asked at two sizes: searches by each filter and by several, reads, decisions.

A question is made ready for a side and a turn; calling what it gives is what is timed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from mlflow_evidence_plugin.policy.decision import rfc3339
from mlflow_evidence_plugin.service import Evidence
from mlflow_evidence_plugin.storage import Filters, Principal

from .corpus import APART, START, Corpus
from .filling import FAR, environment_of
from .fixture import OPERATOR

PAGE = 50
FEW = 5
"""A page where two labels must both hold: what even a thousand bundles have enough of."""

ONE_OF_SIX = replace(OPERATOR, models=("model-3",), experiments=("none",))
ONE_OF_MANY = replace(OPERATOR, models=("model-11",), experiments=("none",))


@dataclass(frozen=True)
class Side:
    """A service in this process, on a filled database; `far` leads to its far page."""

    evidence: Evidence
    corpus: Corpus
    decided: range
    far: str | None = None

    def number(self, turn: int) -> int:
        """Of a version, another one each turn and spread over all."""
        return turn * 15_838 % (self.corpus.count // 2 * 2) + 1

    def values(self, turn: int) -> dict[str, str]:
        """What that version and its run are listed under."""
        return self.corpus.values(self.number(turn))


Question = Callable[[Side, int], Callable[[], Any]]


def searching(
    filters: Callable[[Side, int], Filters],
    limit: int = PAGE,
    least: int | None = None,
    caller: Principal = OPERATOR,
) -> Question:
    """A search that must find `least`, or else a whole page."""

    def made(side: Side, turn: int) -> Callable[[], Any]:
        asked = filters(side, turn)

        def ask() -> None:
            found = len(side.evidence.search(asked, caller, None, limit).items)
            if found < (limit if least is None else least):
                raise RuntimeError(f"only {found} bundles found by {asked}")

        return ask

    return made


def always(limit: int = PAGE, least: int | None = None, **asked: str) -> Question:
    """A search that asks for the same each time."""
    return searching(lambda _, __: Filters(**asked), limit, least)


def own(*names: str) -> Question:
    """A search for what few bundles have: another one each time."""

    def filters(side: Side, turn: int) -> Filters:
        values = side.values(turn)
        return Filters(**{name: values[name] for name in names})

    return searching(filters, least=1)


def ago(side: Side, bundles: int) -> str:
    """When so many bundles before the last one were captured."""
    return rfc3339(START + (side.corpus.count - bundles) * APART)


def seen_by(caller: Principal) -> Question:
    """All that somebody sees who does not see much."""
    return searching(lambda _, __: Filters(), least=0, caller=caller)


def far_page(side: Side, _: int) -> Callable[[], Any]:
    """The page that the cursor `far` leads to."""
    return lambda: side.evidence.search(Filters(), OPERATOR, side.far, PAGE)


def by_digest(side: Side, turn: int) -> Callable[[], Any]:
    """A bundle that was not asked for before."""
    digest = side.corpus.captured(side.number(turn)).record.digest
    return lambda: side.evidence.bundle(digest, OPERATOR)


def of_run(side: Side, turn: int) -> Callable[[], Any]:
    """The newest of a run."""
    run_id = side.values(turn)["run_id"]
    return lambda: side.evidence.of_run(run_id, OPERATOR)


def of_version(side: Side, turn: int) -> Callable[[], Any]:
    """The newest of a model version."""
    values = side.values(turn)
    return lambda: side.evidence.of_version(values["model"], values["version"], OPERATOR)


def decide(side: Side, turn: int) -> Callable[[], Any]:
    """The verdict that stands, on a version for which there is one."""
    place = turn * 31 % len(side.decided)
    subject, environment = side.corpus.subject(side.decided[place]), environment_of(place)

    def ask() -> None:
        found = side.evidence.gate.decide(subject, environment, OPERATOR)
        if found.expires_at != FAR:
            raise RuntimeError("this is not the verdict that stood")

    return ask


QUESTIONS: dict[str, Question] = {
    "search, no filter": always(),
    "search, run_id": own("run_id"),
    "search, model": always(model="model-3"),
    "search, model and version": own("model", "version"),
    "search, owner": always(owner="owner-3"),
    "search, ticket": own("ticket"),
    "search, tag": always(tag="squad=squad-3"),
    "search, verdict": always(verdict="passed"),
    "search, verdict and environment": always(verdict="passed", environment="prod"),
    "search, since": searching(lambda side, _: Filters(since=ago(side, 500))),
    "search, until": searching(lambda side, _: Filters(until=ago(side, side.corpus.count // 2))),
    "search, since and until": searching(
        lambda side, _: Filters(since=ago(side, 600), until=ago(side, 400))
    ),
    "search, owner and model": always(FEW, owner="owner-3", model="model-3"),
    "search, tag and since": searching(
        lambda side, _: Filters(tag="squad=squad-3", since=ago(side, 500)), FEW
    ),
    "search, verdict and owner": always(FEW, verdict="passed", owner="owner-3"),
    "search, owner and ticket": own("owner", "ticket"),
    "search, owner and model: met seldom": always(PAGE, 0, owner="owner-1", model="model-1"),
    "search, owner and model: never met": always(PAGE, 0, owner="owner-0", model="model-0"),
    "search, page far behind": far_page,
    "search, page of 1,000": always(1_000),
    "search, token for one of 6 common models": seen_by(ONE_OF_SIX),
    "search, token for one rare model": seen_by(ONE_OF_MANY),
    "get by digest": by_digest,
    "newest of a run": of_run,
    "newest of a version": of_version,
    "decide, verdict stands": decide,
}
