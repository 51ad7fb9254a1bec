"""What the plugin costs somebody's training: runs, requests, `import mlflow`."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from .environments import make_environments, make_repository, program
from .measure import Row, at_most, at_most_more, interleaved
from .servers import ONE_WORKER, mlflow_server

Pair = tuple[list[float], list[float]]

TURN = 5
"""Runs that one process makes before the other has its turn."""

CALLS = 200
"""Resolutions of the request headers in one turn."""


def runs(place: Path, quick: bool) -> list[Row]:
    """`start_run` + `end_run`, and the request headers: two long-lived processes take turns."""
    rounds = 6 if quick else 80
    training = Training(place)
    with mlflow_server(place / "server", *ONE_WORKER) as url:
        http, http_by_hand, headers = training.side_by_side(url, True, rounds)
    store = f"sqlite:///{place / 'mlflow.db'}"
    sqlite, sqlite_by_hand = training.side_by_side(store, False, rounds * 2)
    by_hand = "the same ÷ the same tags given in code"
    return [
        Row.of("start_run + end_run, HTTP server", *http, "ms", at_most(1.03)),
        Row.of(by_hand, *http_by_hand, "ms"),
        Row.of("start_run + end_run, SQLite", *sqlite, "ms", at_most(1.05)),
        Row.of(by_hand, *sqlite_by_hand, "ms"),
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

    def side_by_side(self, tracking_uri: str, headers: bool, rounds: int) -> list[Pair]:
        """Runs with the plugin and without; runs with the plugin and with its tags by hand.

        Then, if asked for, request headers with it and without.
        """
        with (
            program(self.pythons["with"], self.repository, tracking_uri) as ours,
            program(self.pythons["without"], self.repository, tracking_uri) as peer,
            program(self.pythons["without"], self.repository, tracking_uri) as by_hand,
        ):
            stamped, plain = ours.do("stamped"), peer.do("stamped")
            if len(stamped) < 15 or plain:
                raise RuntimeError(f"not with and without: {stamped} and {plain}")
            (self.repository.parent / "tags.json").write_text(json.dumps(stamped))
            turns = {
                "with": partial(ours.do, "runs", TURN),
                "without": partial(peer.do, "runs", TURN),
                "by hand": partial(by_hand.do, "tagged", TURN),
            }
            if headers:
                turns["headers with"] = partial(ours.do, "headers", CALLS)
                turns["headers without"] = partial(peer.do, "headers", CALLS)
            measured: dict[str, list[float]] = interleaved(turns, rounds, warmup=2)
        pairs = [(measured["with"], measured[peer]) for peer in ("without", "by hand")]
        if headers:
            pairs.append((measured["headers with"], measured["headers without"]))
        return pairs

    def fresh(self, name: str, tracking_uri: str) -> list[tuple[float, float, float]]:
        """One process's import (processor, clock) and its first `start_run`, in ms."""
        with program(self.pythons[name], self.repository, tracking_uri) as process:
            return [(*process.do("imports"), *process.do("start"))]
