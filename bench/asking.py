"""The same questions to a service with many bundles and to one with few, in turns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from mlflow_evidence_plugin.service import Evidence
from mlflow_evidence_plugin.settings import PREFIX, Settings
from mlflow_evidence_plugin.storage import Filters
from mlflow_evidence_plugin.wiring import build, prepare

from .corpus import STORE
from .filling import POLICY, Filled
from .fixture import OPERATOR
from .measure import Row, at_most, interleaved, seconds
from .questions import PAGE, QUESTIONS, Question, Side

GOAL = at_most(2)


@dataclass(frozen=True)
class Home:
    """A service's home, on a database."""

    place: Path
    url: str
    tracking_uri: str

    @property
    def settings(self) -> dict[str, str]:
        """The service's variables."""
        said = {"HOME": self.place, "TRACKING_URI": self.tracking_uri, "STORE_ID": STORE}
        said |= {"DATABASE_URL": self.url, "POLICY_FILE": self.place / "policy.yaml"}
        return {PREFIX + name: str(value) for name, value in said.items()}

    @property
    def token(self) -> str:
        """The first token."""
        return (self.place / "token").read_text().strip()

    def prepare(self) -> None:
        """Policy, key, token, schema."""
        self.place.mkdir()
        (self.place / "policy.yaml").write_bytes(POLICY)
        prepare(Settings.read(self.settings))

    @contextmanager
    def service(self) -> Iterator[Evidence]:
        """A service in this process that remembers nothing yet."""
        evidence = build(Settings.read(self.settings))
        try:
            yield evidence
        finally:
            evidence.capturing.database.dispose()


@dataclass(frozen=True)
class Stock:
    """A filled database, and a service's home on it."""

    filled: Filled
    home: Home

    @contextmanager
    def side(self, far: str | None) -> Iterator[Side]:
        """A service that remembers nothing yet, to be asked."""
        with self.home.service() as evidence:
            yield Side(evidence, self.filled.corpus, self.filled.decided, far)

    def walk(self, pages: int) -> str | None:
        """The cursor of the page that has so many before it."""
        cursor = None
        with self.home.service() as evidence:
            for _ in range(pages):
                cursor = evidence.search(Filters(), OPERATOR, cursor, PAGE).next
        return cursor


def ask(big: Stock, small: Stock, rounds: int, pages: tuple[int, int]) -> list[Row]:
    """Each question to both, in turns; so many pages lie before the far page of each."""
    stocks = {"big": (big, big.walk(pages[0])), "small": (small, small.walk(pages[1]))}
    rows = []
    for name, question in QUESTIONS.items():
        with ExitStack() as stack:
            turns = {
                key: _turn(question, stack.enter_context(stock.side(far)))
                for key, (stock, far) in stocks.items()
            }
            measured = interleaved(turns, rounds, warmup=3)
        rows.append(Row.of(name, measured["big"], measured["small"], "ms", GOAL))
    return rows


def _turn(question: Question, side: Side) -> Callable[[], list[float]]:
    turn = count()

    def measure() -> list[float]:
        (found,) = seconds(question(side, next(turn)))
        return [found * 1_000]

    return measure
