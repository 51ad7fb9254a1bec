"""Fills a database with a corpus, through the storage room; and how much room it then takes."""

from __future__ import annotations

import gc
import multiprocessing
import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from mlflow_evidence_plugin.policy import Decision, Policy, parse
from mlflow_evidence_plugin.record import read
from mlflow_evidence_plugin.signing import SigningKey
from mlflow_evidence_plugin.statements import TEST_RESULT, VSA
from mlflow_evidence_plugin.storage import Bundles, Captured, Database, Decisions

from .corpus import STORE, Corpus, at

BATCH = 1_000
DECIDED_MOST = 10_000
POLICY = b"""version: 1
environments:
  prod:
    rules: [{rule: tracked-run}, {rule: run-finished}, {rule: required-tags, tags: [owner]}]
  staging:
    rules: [{rule: tracked-run}]
"""
FAR = "2099-01-01T00:00:00.000Z"


@dataclass(frozen=True)
class Filled:
    """A database with a corpus in it, and how long that took."""

    url: str
    corpus: Corpus
    adding: float
    deciding: float

    @property
    def decided(self) -> range:
        """Numbers of the bundles that a verdict stands for: versions, spread over all."""
        return decided(self.corpus.count)


def decided(count: int) -> range:
    """Every so many-th version, `DECIDED_MOST` of them at the most, half of all at the most."""
    return range(1, count, 2 * max(2, -(-count // 2 // DECIDED_MOST)))


def environment_of(place: int) -> str:
    """For which environment the verdict was made that has so many before it."""
    return "staging" if place % 5 == 4 else "prod"


def fill(url: str, count: int, key: Path) -> Filled:
    """Make the schema and add `count` bundles, then decisions on some. SQLite has one writer."""
    database = Database(url)
    database.migrate()
    began = time.monotonic()
    alone = database.engine.dialect.name == "sqlite" or count < 10 * BATCH
    _add_all(url, count, key, 1 if alone else os.cpu_count() or 1)
    adding = time.monotonic() - began
    began = time.monotonic()
    corpus = Corpus(count, SigningKey.load(key))
    _decide(database, corpus)
    _settle(database)
    database.dispose()
    return Filled(url, corpus, adding, time.monotonic() - began)


def check(corpus: Corpus, numbers: range) -> None:
    """RuntimeError unless these records are what the product itself would read and write."""
    for number in numbers:
        made = corpus.captured(number).record
        known = read(made.data)
        if (known.release, known.subject) != (made.release, made.subject):
            raise RuntimeError(f"bundle {number} is not what it says: {known.subject}")


def sizes(url: str) -> dict[str, int]:
    """Bytes by table with its indexes, and the whole under an empty name."""
    database = Database(url)
    with database.reading() as connection:
        if connection.dialect.name == "sqlite":
            query = _SQLITE_SIZES
            if not _has_dbstat(connection):
                query = _SQLITE_WHOLE
        else:
            query = _POSTGRES_SIZES
        found = {name: int(size) for name, size in connection.exec_driver_sql(query)}
    database.dispose()
    return found


_SQLITE_WHOLE = "SELECT '', page_count * page_size FROM pragma_page_count, pragma_page_size"
_SQLITE_SIZES = f"""SELECT tbl_name, sum(pgsize) FROM dbstat
    JOIN sqlite_master USING (name) GROUP BY 1 UNION ALL {_SQLITE_WHOLE}"""
_POSTGRES_SIZES = """SELECT relname, pg_total_relation_size(oid) FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
    UNION ALL SELECT '', pg_database_size(current_database())"""


def _has_dbstat(connection: Any) -> bool:
    options = connection.exec_driver_sql("PRAGMA compile_options").scalars()
    return "ENABLE_DBSTAT_VTAB" in set(options)


def _add_all(url: str, count: int, key: Path, parts: int) -> None:
    work = partial(_add, url, count, key, parts)
    if parts == 1:
        work(0)
        return
    with ProcessPoolExecutor(parts, multiprocessing.get_context("spawn")) as pool:
        list(pool.map(work, range(parts)))


def _add(url: str, count: int, key: Path, parts: int, part: int) -> None:
    # A batch is a million objects, none of them in a circle: collecting would only look at them.
    gc.disable()
    database = Database(url)
    bundles = Bundles(database, STORE)
    for batch in _batches(Corpus(count, SigningKey.load(key)), parts, part):
        with database.writing() as transaction:
            bundles.add(transaction, batch)
    database.dispose()
    gc.enable()


def _batches(corpus: Corpus, parts: int, part: int) -> Iterator[list[Captured]]:
    for first in islice(range(0, corpus.count, BATCH), part, None, parts):
        last = min(first + BATCH, corpus.count)
        yield [corpus.captured(number) for number in range(first, last)]


def _decide(database: Database, corpus: Corpus) -> None:
    decisions, policy = Decisions(database, STORE), parse(POLICY)
    for place, number in enumerate(decided(corpus.count)):
        decision = _verdict(corpus, number, policy, place)
        stated = {kind: f"{kind} {decision.digest}".encode() * 40 for kind in (TEST_RESULT, VSA)}
        decisions.add(decision, policy, stated)


def _verdict(corpus: Corpus, number: int, policy: Policy, place: int) -> Decision:
    record = corpus.captured(number).record
    status = "failed" if place % 3 == 2 else "passed"
    asked = (record.subject, environment_of(place), status, (), (), policy.digest, at(number), FAR)
    return Decision(*asked, record.digest, record.release)


def _settle(database: Database) -> None:
    """What the database would do by itself within minutes: statistics on PostgreSQL, no WAL."""
    with database.engine.connect() as raw:
        connection = raw.execution_options(isolation_level="AUTOCOMMIT")
        postgres = connection.dialect.name == "postgresql"
        connection.exec_driver_sql(
            "VACUUM ANALYZE" if postgres else "PRAGMA wal_checkpoint(TRUNCATE)"
        )
