"""What signing and the log cost a capture, and a proof in a log of a million leaves."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from mlflow_evidence_plugin.service import capture as capturing
from mlflow_evidence_plugin.storage import Database, Ledger, ledger

from . import fixture
from .measure import Goal, Row, at_most, seconds
from .servers import ONE_WORKER, mlflow_server

LEAVES, FEW, BATCH = 1_000_000, 1_000, 20_000
PROOF = Goal("≤ 50 ms", lambda ours, peer: ours <= 50)


def bench(place: Path, quick: bool) -> list[Row]:
    """A capture with and without the time of its statements; proofs in a long and a short log."""
    with mlflow_server(place / "mlflow", *ONE_WORKER) as url:
        run_id = fixture.make_run(url, place / "files")
        captured = [_capture(place, url, run_id) for _ in range(3 if quick else 9)][1:]
    whole, without = [one[0] for one in captured], [one[0] - one[1] for one in captured]
    many = FEW * 10 if quick else LEAVES
    long, short = (_proofs(place, count) for count in (many, FEW))
    named = f"in a log of {many:,} leaves ÷ {FEW:,}"
    return [
        Row.of("capture ÷ without stating, signing, log", whole, without, "s", at_most(1.15)),
        Row.of(f"proof of inclusion, {named}", long["place"], short["place"], "ms", PROOF),
        Row.of(f"proof of consistency, {named}", long["growth"], short["growth"], "ms", PROOF),
        Row.of(f"leaf appended, {named}", long["append"], short["append"], "ms"),
    ]


def _capture(place: Path, url: str, run_id: str) -> tuple[float, float]:
    """Seconds of a capture, and of what in it makes statements, signs them and logs them."""
    with TemporaryDirectory(dir=place) as home:
        evidence = fixture.make_service(Path(home), url)
        issuing = evidence.capturing.issuing
        parts = ((capturing, "captured"), (issuing, "sign"), (ledger, "append"))
        with _timed(*parts) as spent:
            (whole,) = seconds(fixture.order(evidence, run_id))
        evidence.capturing.database.dispose()
    return whole, sum(spent)


@contextmanager
def _timed(*parts: tuple[Any, str]) -> Iterator[list[float]]:
    """How long each call of some functions took."""
    spent: list[float] = []
    originals = [(owner, name, getattr(owner, name)) for owner, name in parts]
    for owner, name, function in originals:
        setattr(owner, name, _timing(function, spent))
    try:
        yield spent
    finally:
        for owner, name, function in originals:
            setattr(owner, name, function)


def _timing(function: Any, spent: list[float]) -> Any:
    def timed(*args: Any, **kwargs: Any) -> Any:
        began = perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            spent.append(perf_counter() - began)

    return timed


def _proofs(place: Path, count: int) -> dict[str, list[float]]:
    """Milliseconds of proofs all over a log of `count` leaves, and of a leaf more."""
    database = Database(f"sqlite:///{place / f'{count}.db'}")
    database.migrate()
    for first in range(0, count, BATCH):
        with database.writing() as connection:
            ledger.append(connection, [_entry(n) for n in range(first, min(first + BATCH, count))])
    log = Ledger(database)
    found: dict[str, list[float]] = {"place": [], "growth": [], "append": []}
    for number in range(7, count, count // 50):
        _, statement = _entry(number)
        found["place"] += seconds(lambda wanted=statement: log.place(wanted, count))
        found["growth"] += seconds(lambda old=number: log.growth(old, count))
    for number in range(count, count + 20):
        found["append"] += seconds(lambda n=number: _append(database, n))
    database.dispose()
    return {name: [one * 1_000 for one in times] for name, times in found.items()}


def _append(database: Database, number: int) -> None:
    with database.writing() as connection:
        ledger.append(connection, [_entry(number)])


def _entry(number: int) -> tuple[str, str]:
    """A hundred statements about each subject."""
    return _digest(f"subject {number // 100}"), _digest(f"statement {number}")


def _digest(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
