"""What the plugin costs somebody's training: runs, requests, `import mlflow`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from .environments import Program, make_environments, make_repository, program
from .measure import Row, at_most, at_most_more, interleaved
from .servers import ONE_WORKER, mlflow_server

TURN = 5
"""Runs that one process makes before the other has its turn."""

CALLS = 200
"""Resolutions of the request headers in one turn."""


def runs(place: Path, quick: bool) -> list[Row]:
    """`start_run` + `end_run`, and the request headers: two long-lived processes take turns."""
    rounds = 6 if quick else 80
    training = Training(place)
    with mlflow_server(place / "server", *ONE_WORKER) as url:
        http, headers = training.side_by_side(url, {"runs": TURN, "headers": CALLS}, rounds)
    store = f"sqlite:///{place / 'mlflow.db'}"
    (sqlite,) = training.side_by_side(store, {"runs": TURN}, rounds * 2)
    return [
        Row.of("start_run + end_run, HTTP server", *http, "ms", at_most(1.03)),
        Row.of("start_run + end_run, SQLite", *sqlite, "ms", at_most(1.05)),
        Row.of("resolve_request_headers(), one call", *headers, "µs", at_most_more(20, "µs")),
    ]


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

    def side_by_side(
        self, tracking_uri: str, commands: dict[str, int], rounds: int
    ) -> list[tuple[list[float], list[float]]]:
        """For each command, what the process with the plugin measured, and the one without."""
        with (
            program(self.pythons["with"], self.repository, tracking_uri) as ours,
            program(self.pythons["without"], self.repository, tracking_uri) as peer,
        ):
            _check(ours, peer)
            return [self._turns(ours, peer, *command, rounds) for command in commands.items()]

    def fresh(self, name: str, tracking_uri: str) -> list[tuple[float, float, float]]:
        """One process's import (processor, clock) and its first `start_run`, in ms."""
        with program(self.pythons[name], self.repository, tracking_uri) as process:
            return [(*process.do("imports"), *process.do("start"))]

    def _turns(
        self, ours: Program, peer: Program, command: str, count: int, rounds: int
    ) -> tuple[list[float], list[float]]:
        turns = {"ours": partial(ours.do, command, count), "peer": partial(peer.do, command, count)}
        measured: dict[str, list[Any]] = interleaved(turns, rounds, warmup=2)
        return measured["ours"], measured["peer"]


def _check(ours: Program, peer: Program) -> None:
    stamped, plain = ours.do("stamped"), peer.do("stamped")
    if len(stamped) < 15 or plain:
        raise RuntimeError(f"not with and without: {stamped} and {plain}")
