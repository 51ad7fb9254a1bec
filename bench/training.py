"""What the plugin costs somebody's training: runs, requests, `import mlflow`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from .environments import Program, make_environments, make_repository, program
from .measure import Row, at_most, at_most_more, interleaved
from .servers import ONE_WORKER, mlflow_server

TURN = 5
"""Runs that one process makes before the other has its turn."""

CALLS = 200
"""Resolutions of the request headers in one turn."""


BY_HAND = "the same ÷ the same tags given in code"
GIVER = "by hand"


@dataclass(frozen=True)
class Way:
    """A way to a run: the training program's command, and the promise where it is not the store's.

    What is resumed is made outside of the clock, by a process that has no plugin.
    """

    name: str
    command: str
    most: float | None = None
    made: str | None = None
    """Which side makes what is resumed."""

    def turn(self, sides: Mapping[str, Program], side: str) -> list[float]:
        """One side's turn."""
        if self.made:
            sides[self.made].do("make", TURN)
        measured: list[float] = sides[side].do(self.command, TURN)
        return measured

    def rows(self, store: str, most: float, found: Mapping[str, list[float]]) -> list[Row]:
        """With the plugin against without, and against its tags by hand."""
        goal = at_most(self.most or most)
        row = Row.of(f"{self.name}, {store}", found["ours"], found["peer"], "ms", goal)
        if self.made == GIVER:  # they are there, and would be given once more
            return [row]
        return [row, Row.of(BY_HAND, found["ours"], found[GIVER], "ms")]


WAYS = (
    Way("start_run + end_run", "runs"),
    Way("start_run(nested=True) + end_run", "nested"),
    Way("MlflowClient().create_run", "client"),
    Way("resume of a stamped run + end_run", "resumed", 1.03, GIVER),
    Way("resume of an unstamped run + end_run", "resumed", 1.25, "bare"),
)


def runs(place: Path, quick: bool) -> list[Row]:
    """Every way to a run, and the request headers: long-lived processes take turns."""
    rounds = 4 if quick else 80
    training = Training(place)
    with mlflow_server(place / "server", *ONE_WORKER) as url:
        rows = training.side_by_side(url, "HTTP server", 1.03, rounds)
        headers = training.headers(url, rounds)
    store = f"sqlite:///{place / 'mlflow.db'}"
    rows += training.side_by_side(store, "SQLite", 1.05, rounds)
    return [*rows, headers]


def fresh(place: Path, quick: bool) -> list[Row]:
    """`import mlflow` and the first `start_run`: a new process each time."""
    training = Training(place)
    with mlflow_server(place / "server", *ONE_WORKER) as url:
        turns = {name: partial(training.fresh, name, url) for name in training.pythons}
        measured = interleaved(turns, 3 if quick else 25)
    ours, peer = (list(zip(*measured[name], strict=True)) for name in training.pythons)
    return [
        Row.of("import mlflow, processor time", ours[0], peer[0], "ms", at_most(1.02)),
        Row.of("import mlflow, by the clock", ours[1], peer[1], "ms"),
        Row.of("first start_run of a process, HTTP server", ours[2], peer[2], "ms"),
    ]


class Training:
    """The same training program in the two environments, in the same repository."""

    def __init__(self, place: Path) -> None:
        self.pythons = make_environments(place / "environments")
        self.repository = make_repository(place / "repository")

    def side_by_side(self, tracking_uri: str, store: str, most: float, rounds: int) -> list[Row]:
        """Each path with the plugin, without it, and without it but with its tags by hand."""
        with ExitStack() as ending:
            start = partial(self._start, ending, tracking_uri)
            ours, peer, by_hand, maker = map(start, ("with", "without", "without", "without"))
            stamped, plain = ours.do("stamped"), peer.do("stamped")
            if len(stamped) < 15 or plain:
                raise RuntimeError(f"not with and without: {stamped} and {plain}")
            (self.repository.parent / "tags.json").write_text(json.dumps(stamped))
            by_hand.do("by_hand")
            sides = {"ours": ours, "peer": peer, GIVER: by_hand, "bare": maker}
            rows = []
            for way in WAYS:  # one after the other: the sides of each meet the same minutes
                timed = ("ours", "peer") if way.made == GIVER else ("ours", "peer", GIVER)
                turns = {side: partial(way.turn, sides, side) for side in timed}
                rows += way.rows(store, most, interleaved(turns, rounds, warmup=2))
        return rows

    def headers(self, tracking_uri: str, rounds: int) -> Row:
        """Request headers with the plugin and without."""
        with ExitStack() as ending:
            start = partial(self._start, ending, tracking_uri)
            sides = {name: start(name) for name in self.pythons}
            for side in sides.values():
                side.do("stamped")
            turns = {name: partial(one.do, "headers", CALLS) for name, one in sides.items()}
            found: dict[str, list[float]] = interleaved(turns, rounds, warmup=2)
        goal = at_most_more(20, "µs")
        name = "resolve_request_headers(), one call"
        return Row.of(name, found["with"], found["without"], "µs", goal)

    def _start(self, ending: ExitStack, tracking_uri: str, name: str) -> Program:
        one = program(self.pythons[name], self.repository, tracking_uri)
        return ending.enter_context(one)

    def fresh(self, name: str, tracking_uri: str) -> list[tuple[float, float, float]]:
        """One process's import (processor, clock) and its first `start_run`, in ms."""
        with program(self.pythons[name], self.repository, tracking_uri) as process:
            return [(*process.do("imports"), *process.do("start"))]
