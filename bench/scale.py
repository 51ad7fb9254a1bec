"""`python -m bench.scale`: what a million bundles cost, and what the service bears. README.md."""

from __future__ import annotations

import sys
import time
import traceback
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
from rich.console import Console

from mlflow_evidence_plugin.signing import SigningKey

from . import filling, mixing, rates
from .asking import GOAL, Home, Stock, ask
from .measure import Row
from .questions import PAGE
from .report import SCALE, report
from .servers import ONE_WORKER, mlflow_server

SMALL = 1_000


@dataclass(frozen=True)
class Plan:
    """How much of everything."""

    counts: dict[str, int]
    rounds: int
    seconds: float
    runs: int
    workers: tuple[int, ...]


@dataclass(frozen=True)
class Place:
    """One kind of database: where new ones are made, and its server's process if it has one."""

    name: str
    folder: Path
    new_url: Callable[[], str]
    pids: dict[str, int]


def main() -> int:
    """Both databases, 1 if one crashed; the rows go into the report's section `scale`."""
    plan = _plan(_arguments())
    rows: list[Row] = []
    crashed = False
    with TemporaryDirectory(prefix="bench-scale-") as folder:
        home = Path(folder).resolve()
        with mlflow_server(home / "mlflow", *ONE_WORKER) as url:
            runs = rates.make_runs(url, home / "files", plan.runs)
            for name, size in plan.counts.items():
                try:
                    with PLACES[name](home / name) as place:
                        rows += _bench(place, size, plan, url, runs)
                except Exception:  # the other one is still worth having
                    crashed = True
                    traceback.print_exc()
    report(SCALE, rows)
    return int(crashed)


def _arguments() -> Namespace:
    parser = ArgumentParser("python -m bench.scale")
    parser.add_argument("--sqlite", type=int, default=100_000, metavar="BUNDLES")
    parser.add_argument("--postgres", type=int, default=1_000_000, metavar="BUNDLES")
    parser.add_argument("--short", action="store_true", help="does it work at all? proves nothing")
    return parser.parse_args()


def _plan(arguments: Namespace) -> Plan:
    if arguments.short:
        return Plan({"SQLite": 1_500, "PostgreSQL": 1_500}, 2, 2.0, 6, (2,))
    counts = {"SQLite": arguments.sqlite, "PostgreSQL": arguments.postgres}
    return Plan({name: size for name, size in counts.items() if size}, 40, 60.0, 60, (1, 2, 4))


def _bench(place: Place, size: int, plan: Plan, tracking_uri: str, runs: list[str]) -> list[Row]:
    key = place.folder / "key.pem"
    SigningKey.create(key)
    small, big = (_stock(place, each, key, tracking_uri) for each in (SMALL, size))
    filling.check(big.filled.corpus, range(0, size, size // 20 + 1))
    what = f"{place.name}, {size:,}"
    rows = _stored(big, small, what)
    _say(f"{what}: filled")
    far = min(size // PAGE // 2, 999), SMALL // PAGE // 2
    rows += [_named(f"{what}: ", one) for one in ask(big, small, plan.rounds, far)]
    rows += _over_http(big, small, plan.seconds / 10, what)
    _say(f"{what}: asked")
    rows += mixing.bench(big, runs, plan.seconds, what)
    _say(f"{what}: mixed")
    pids = {"MLflow's server": _server(tracking_uri), **place.pids}
    servers = rates.Servers(place.name, tracking_uri, place.new_url, pids)
    return rows + rates.bench(place.folder, servers, runs, plan.workers)


def _stock(place: Place, count: int, key: Path, tracking_uri: str) -> Stock:
    url = place.new_url()
    filled = filling.fill(url, count, key)
    home = Home(place.folder / f"home-{count}", url, tracking_uri)
    home.prepare()
    return Stock(filled, home)


def _stored(big: Stock, small: Stock, what: str) -> list[Row]:
    """How fast they were made, and the room that one takes: KiB by table, indexes included."""
    many, few = big.filled, small.filled
    verdicts = (len(one.decided) / one.deciding for one in (many, few))
    sizes = [filling.sizes(one.url) for one in (many, few)]
    rows = [
        Row(f"{what}: bundles added", *(_rate(one) for one in (many, few)), "/s"),
        Row(f"{what}: decisions added", *verdicts, "/s"),
    ]
    for table in sorted(sizes[0], key=sizes[0].__getitem__, reverse=True):
        each = [
            size[table] / one.corpus.count / 1024
            for size, one in zip(sizes, (many, few), strict=True)
        ]
        if each[0] >= 0.01:
            rows.append(Row(f"{what}: stored, {table or 'in all'}", *each, "KiB/bundle"))
    return rows


def _rate(filled: filling.Filled) -> float:
    return filled.corpus.count / filled.adding


def _over_http(big: Stock, small: Stock, seconds: float, what: str) -> list[Row]:
    """Reads and decisions as above, by one connection to the web side."""
    many, few = (mixing.single(one, seconds) for one in (big, small))
    return [
        Row.of(
            f"{what}: HTTP, {kind}",
            *([1_000 * one for one in side[kind]] for side in (many, few)),
            "ms",
            GOAL,
        )
        for kind in few
    ]


def _named(prefix: str, row: Row) -> Row:
    return replace(row, name=prefix + row.name)


def _server(tracking_uri: str) -> int:
    """The process id of the tracking server that this process started."""
    port = tracking_uri.rpartition(":")[2]
    return next(one.pid for one in psutil.Process().children() if port in one.cmdline())


@contextmanager
def _sqlite(folder: Path) -> Iterator[Place]:
    folder.mkdir()
    numbers = count()
    yield Place("SQLite", folder, lambda: f"sqlite:///{folder / f'{next(numbers)}.db'}", {})


@contextmanager
def _postgres(folder: Path) -> Iterator[Place]:
    from tests.postgres import postgres

    folder.mkdir()
    with postgres(folder / "data") as server:
        pid = int((folder / "data" / "postmaster.pid").read_text().split()[0])
        yield Place("PostgreSQL", folder, server.new_database, {"PostgreSQL": pid})


PLACES = {"SQLite": _sqlite, "PostgreSQL": _postgres}


def _say(what: str) -> None:
    Console(stderr=True).print(f"{time.strftime('%X')} {what}", style="dim")


if __name__ == "__main__":
    sys.exit(main())
