"""Reads, decisions and captures at once on real processes: errors, memory, and the slow ones."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from statistics import median, quantiles
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import psutil

from .asking import Stock
from .filling import environment_of
from .measure import Goal, Row, at_most
from .servers import CHECKOUT, environment, evidence_service, get

CONNECTIONS = 16
SHARES = {"by digest": 40, "newest of a run": 18, "search": 20, "decide": 20, "capture": 2}
READS = ("by digest", "newest of a run", "search")
FLAT, SLOW = at_most(1.1), at_most(10)
NONE = Goal("0", lambda ours, _: ours == 0)
DRAIN_SECONDS = 600

Kinds = Mapping[str, Mapping[str, Any]]


def bench(stock: Stock, runs: list[str], seconds: float, what: str) -> list[Row]:
    """The mix on `python -m api`, with `runs` of its tracking server to capture."""
    home, kinds = stock.home, _kinds(stock, runs)
    with evidence_service(home.settings) as (url, pid):
        first = load(url, home.token, kinds, seconds / 10, CONNECTIONS)["locations"]
        first += load(url, home.token, {"capture": kinds["capture"]}, 0, 4)["locations"]
        _drain(url, home.token, first)  # so that the worker, too, has all that it needs in memory
        began = time.monotonic()
        process = start(url, home.token, kinds, seconds, CONNECTIONS)
        time.sleep(seconds / 4)
        early = _resident(pid)
        told = ended(process)
        late = _resident(pid)
        drained = _drain(url, home.token, told["locations"]) - began - seconds
    return [*_answers(told, seconds, drained, what), *_memory(early, late, what)]


def single(stock: Stock, seconds: float) -> dict[str, list[float]]:
    """Seconds of each answer of the web side alone, by kind: one request after the other."""
    kinds = reads(stock)
    with evidence_service(stock.home.settings, "web") as (url, _):
        load(url, stock.home.token, kinds, seconds / 4, 1)
        told = load(url, stock.home.token, kinds, seconds, 1)
    found: dict[str, list[float]] = told["seconds"]
    return {kind: found[kind] for kind in kinds}


def reads(stock: Stock, count: int = 300) -> dict[str, dict[str, Any]]:
    """Requests by kind: of bundles that are spread over all."""
    corpus, decided = stock.filled.corpus, stock.filled.decided
    numbers = [n * 15_838 % corpus.count | 1 for n in range(count)]
    places = [n * 31 % len(decided) for n in range(count)]
    asked = {
        "by digest": [f"/bundles/{corpus.captured(n).record.digest}" for n in numbers],
        "newest of a run": [f"/runs/{corpus.values(n)['run_id']}/evidence" for n in numbers],
        "search": list(_searches([corpus.values(n) for n in numbers])),
        "decide": [_decision(corpus.subject(decided[n]), environment_of(n)) for n in places],
    }
    return {
        kind: {"share": SHARES[kind], "asked": [("/v1" + path, None) for path in paths]}
        for kind, paths in asked.items()
    }


def load(url: str, token: str, kinds: Kinds, seconds: float, connections: int) -> dict[str, Any]:
    """The whole load, from start to end."""
    return ended(start(url, token, kinds, seconds, connections))


def start(
    url: str, token: str, kinds: Kinds, seconds: float, connections: int
) -> subprocess.Popen[str]:
    """The load generator, at work."""
    order = {"port": urlsplit(url).port, "token": token, "kinds": kinds}
    order |= {"seconds": seconds, "connections": connections}
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.mixed"],
        cwd=CHECKOUT,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    process.stdin.write(json.dumps(order))
    process.stdin.close()
    return process


def ended(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What the load generator tells at its end."""
    assert process.stdout
    with process:
        said = process.stdout.read()
    if process.returncode:
        raise RuntimeError("the load generator failed: see above")
    told: dict[str, Any] = json.loads(said)
    return told


def _kinds(stock: Stock, runs: list[str]) -> Kinds:
    orders = [("/v1/captures", {"run_id": run_id}) for run_id in runs]
    return reads(stock) | {"capture": {"share": SHARES["capture"], "asked": orders}}


def _searches(values: list[dict[str, str]]) -> Iterator[str]:
    for turn, one in enumerate(values):
        asked = (
            {},
            {"owner": one["owner"]},
            {"model": one["model"], "owner": one["owner"]},
            {"ticket": one["ticket"]},
            {"tag": f"squad={one['squad']}", "verdict": "passed"},
        )[turn % 5]
        yield f"/bundles?{urlencode(asked)}"


def _decision(subject: tuple[str, str], asked: str) -> str:
    model, version = subject
    return f"/models/{quote(model)}/versions/{version}/decision?environment={asked}"


def _answers(told: dict[str, Any], seconds: float, drained: float, what: str) -> list[Row]:
    statuses = sum((Counter(of) for of in told["statuses"].values()), Counter())
    errors = sum(count for status, count in statuses.items() if status.startswith("5"))
    if set(statuses) - {"200", "201", "202"}:
        print(f"{what}: not all as it should be: {told['statuses']}", file=sys.stderr)
    found = told["seconds"]
    reads_ = [one for kind in READS for one in found[kind]]
    captures = len(told["locations"])
    return [
        Row(f"{what}: answers 5xx, of all", errors, statuses.total(), "answers", NONE),
        Row(f"{what}: rate, at so many connections", statuses.total() / seconds, CONNECTIONS, "/s"),
        _slow(f"{what}: reads, p99 ÷ median", reads_, SLOW),
        *(_slow(f"{what}: {kind}, p99 ÷ median", found[kind]) for kind in SHARES),
        Row(f"{what}: captures ordered; s until done", captures, drained, "1; s"),
    ]


def _slow(name: str, seconds: list[float], goal: Goal | None = None) -> Row:
    p99 = quantiles(seconds, n=100)[-1] if len(seconds) > 1 else seconds[0]
    return Row(name, p99 * 1_000, median(seconds) * 1_000, "ms", goal)


def _resident(pid: int) -> dict[str, float]:
    """MiB of the web side's processes together, and of the worker's."""
    found = {"web": 0.0, "worker": 0.0}
    for one in psutil.Process(pid).children(recursive=True):
        part = "worker" if one.cmdline()[-1] == "worker" else "web"
        found[part] += one.memory_info().rss / (1 << 20)
    return found


def _memory(early: dict[str, float], late: dict[str, float], what: str) -> list[Row]:
    return [
        Row(f"{what}: memory of the {part}, end ÷ at a quarter", late[part], was, "MiB", FLAT)
        for part, was in early.items()
    ]


def _drain(url: str, token: str, locations: list[str]) -> float:
    """Wait until every order has ended; RuntimeError unless each ended in evidence."""
    until = time.monotonic() + DRAIN_SECONDS
    for location in sorted(set(locations)):
        while True:
            order = json.loads(get(url + location, Authorization=f"Bearer {token}"))
            if order["state"] in ("done", "failed") or time.monotonic() > until:
                break
            time.sleep(0.1)
        if order["state"] != "done":
            raise RuntimeError(f"not captured: {order}")
    return time.monotonic()
