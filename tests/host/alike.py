"""The same program twice, with the plugin and without: nothing may differ but our tags."""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .conftest import clean

PROGRAM = """
import mlflow
print("starts", flush=True)
with mlflow.start_run(run_name="one") as run:
    mlflow.log_param("depth", 3)
    mlflow.log_metric("auc", 0.9)
    mlflow.log_text("kept", "notes/a.txt")
print("ends", mlflow.get_run(run.info.run_id).info.status)
"""
"""A training that says something, and leaves something."""

OWN_GIT = "mlflow.source.git."
OURS = b"mlflow-evidence-plugin:"
_VOLATILE = re.compile(rb"[0-9a-f]{32}|\d{4}/\d\d/\d\d \d\d:\d\d:\d\d|0x[0-9a-f]+|pid=\d+")

Prepare = Callable[[Path], object]


@dataclass(frozen=True)
class Left:
    """What a program leaves behind. Run ids, times and paths are made equal."""

    code: int
    out: bytes
    err: list[bytes]
    runs: list[dict[str, Any]]
    artifacts: dict[str, bytes]
    tags: list[dict[str, str]] = field(default_factory=list, compare=False)
    """Ours, by run."""
    warnings: list[str] = field(default_factory=list, compare=False)
    seconds: float = field(default=0, compare=False)


class Twice:
    """Runs programs in a folder of its own, against a store of its own."""

    def __init__(self, folder: Path, database: Path, known: dict[Any, Left]) -> None:
        self.folder, self.database, self.known = folder, database, known
        self.work = folder / "work"

    @property
    def store(self) -> Path:
        """The database, which is a fresh copy at each start."""
        return self.folder / "mlflow.db"

    def __call__(
        self,
        env: dict[str, Any] | None = None,
        script: str = PROGRAM,
        prepare: Prepare = lambda work: None,
        *,
        own: bool = True,
        most: int = 1,
        **options: Any,
    ) -> Left:
        """What the program leaves with the plugin, having left the same without.

        With `own=False` only the plugin looks at what is hostile: then the program without the
        plugin is run once for all of them. `most` lines of ours are allowed on stderr.
        """
        key = script if not own else object()
        if key not in self.known:
            off = {"EVIDENCE_DISABLED": "1"}
            how = {"env": {**(env or {}), **off} if own else off, "prepare": prepare, **options}
            self.known[key] = self.once(script, **(how if own else {"env": off}))
        left = self.once(script, env or {}, prepare, **options)
        for part in ("code", "out", "err", "runs", "artifacts"):
            mine, theirs = getattr(left, part), getattr(self.known[key], part)
            assert mine == theirs, f"{part}: {mine}\nwithout the plugin: {theirs}"
        assert len(left.warnings) <= most, left.warnings
        return left

    def once(
        self,
        script: str,
        env: dict[str, Any],
        prepare: Prepare = lambda work: None,
        flags: tuple[str, ...] = (),
        before: tuple[str, ...] = (),
        **options: Any,
    ) -> Left:
        """One start of the program, in a fresh folder; `before` is what starts Python."""
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir()
        database = Path(shutil.copy(self.database, self.store))
        with sqlite3.connect(database) as store:  # which was made elsewhere
            artifacts = str(self.work / "mlruns" / "0")
            store.execute("UPDATE experiments SET artifact_location = ?", (artifacts,))
        store.close()
        (self.work / "train.py").write_text(textwrap.dedent(script), "utf-8")
        prepare(self.work)
        base = clean(self.folder) | {"MLFLOW_TRACKING_URI": f"sqlite:///{database}"}
        said = {name: value for name, value in (base | env).items() if value is not None}
        began = time.monotonic()
        done = subprocess.run(
            [*before, sys.executable, *flags, str(self.work / "train.py")],
            **{"cwd": self.work, "env": said, "timeout": 120, "capture_output": True, **options},
        )
        seconds = time.monotonic() - began
        err = (done.stderr or b"").splitlines()
        mine = [line.decode("utf-8", "replace") for line in err if OURS in line]
        runs, tags = self._runs(database)
        return Left(
            done.returncode,
            self._calm(done.stdout or b""),
            [self._calm(line) for line in err if OURS not in line],
            runs,
            self._artifacts(),
            tags,
            mine,
            seconds,
        )

    def _calm(self, said: bytes) -> bytes:
        return _VOLATILE.sub(b"~", said.replace(str(self.folder).encode(), b"<here>"))

    def _artifacts(self) -> dict[str, bytes]:
        files = sorted(one for one in (self.work / "mlruns").rglob("*") if one.is_file())
        names = [self._calm(str(file.relative_to(self.work)).encode()).decode() for file in files]
        return {name: file.read_bytes() for name, file in zip(names, files, strict=True)}

    def _runs(self, database: Path) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
        with sqlite3.connect(database) as store:
            rows = store.execute(
                "SELECT run_uuid, name, status FROM runs ORDER BY rowid"
            ).fetchall()
            runs, mine = [], []
            for run_id, name, status in rows:
                said = _pairs(store, "tags", run_id)
                mine.append({k: v for k, v in said.items() if k.startswith("evidence.")})
                # MLflow's own word on a repository, which programs without us do not share.
                theirs = {k: v for k, v in said.items() if not k.startswith(OWN_GIT)}
                theirs = {k: v for k, v in theirs.items() if k not in mine[-1]}
                told = [theirs, _pairs(store, "params", run_id), _pairs(store, "metrics", run_id)]
                runs.append(
                    {"name": name, "status": status, "said": self._calm(repr(told).encode())}
                )
        store.close()
        return runs, mine


def _pairs(store: sqlite3.Connection, table: str, run_id: str) -> dict[str, Any]:
    query = f"SELECT key, value FROM {table} WHERE run_uuid = ? ORDER BY key, value"
    return dict(store.execute(query, (run_id,)).fetchall())


def bare_run(database: Path, run_id: str, tags: int = 0) -> None:
    """A run in the store which nobody has stamped, with that many tags of its own."""
    with sqlite3.connect(database) as store:
        store.execute(
            "INSERT INTO runs (run_uuid, name, status, lifecycle_stage, experiment_id, start_time,"
            " artifact_uri, user_id, source_type, source_name, entry_point_name, source_version)"
            " VALUES (?, 'bare', 'RUNNING', 'active', 0, 1, ?, 'jo', 'LOCAL', 'x', '', '')",
            (run_id, f"{database.parent}/work/mlruns/0/{run_id}/artifacts"),
        )
        rows = [(f"mine.{number}", str(number), run_id) for number in range(tags)]
        store.executemany("INSERT INTO tags (key, value, run_uuid) VALUES (?, ?, ?)", rows)
    store.close()
