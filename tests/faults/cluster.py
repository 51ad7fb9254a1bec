"""The service in parts, each a process that a test may kill; and a gate before MLflow."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import text

from mlflow_evidence_plugin.settings import Settings
from mlflow_evidence_plugin.storage import Capture, Captures, Database
from tests.faults.meddler import Answer, Forward, Meddler
from tests.faults.processes import answers, end, start, until
from tests.servers import DIRECT, free_port

PATIENCE = 60
"""Seconds after which something will not happen any more, also on a machine that is busy."""

ONCE = {"records": 1, "statements": 3, "listings": 1, "observations": 1}
"""What a run leaves that is captured once: of a run there are release, provenance and ML-BOM."""

NEVER = dict.fromkeys(ONCE, 0)
LONG_AGO, NEVER_AGAIN = "2000-01-01T00:00:00.000Z", "2999-01-01T00:00:00.000Z"

_KEPT = {
    "records": "SELECT count(*) FROM records WHERE subject = :subject",
    "statements": "SELECT count(*) FROM statements WHERE record_digest IN "
    "(SELECT digest FROM records WHERE subject = :subject)",
    "listings": "SELECT count(*) FROM listings WHERE subject = :subject",
    "observations": "SELECT count(*) FROM observations WHERE subject = :subject",
}


class Gate:
    """Holds whoever asks for one run, until it is opened: a capture is then caught mid-way.

    Who got through before it was closed, and reads the run's files and metrics, is not held.
    """

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.reached, self.opened = threading.Event(), threading.Event()

    def __call__(self, asked: str, forward: Forward) -> Answer:
        if "/runs/get?" in asked and self.run_id in asked:
            self.reached.set()
            self.opened.wait(PATIENCE)
        return forward()

    def wait(self) -> None:
        assert self.reached.wait(PATIENCE), "nobody captures the run"


@dataclass(frozen=True)
class Said:
    """An answer of the service, whatever its status."""

    status: int
    kind: str
    document: Any


class Cluster:
    """One home, one database, one port; which parts of the service run is the test's choice."""

    def __init__(self, home: Path, meddler: Meddler, database: str | None) -> None:
        self.home, self.meddler = home, meddler
        self.env = {"TRACKING_URI": meddler.url, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
        if database:
            self.env["DATABASE_URL"] = database
        named = {f"EVIDENCE_SERVICE_{k}": v for k, v in {"HOME": str(home), **self.env}.items()}
        self.settings = Settings.read(named)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.parts: dict[str, subprocess.Popen[bytes]] = {}
        self.database = Database(self.settings.database_url)
        self.captures = Captures(self.database)

    @property
    def log(self) -> str:
        return (self.home.parent / f"{self.home.name}.log").read_text("utf-8", "replace")

    def up(self, *names: str) -> None:
        """Have these parts running, `web` and any `worker…`, and no other."""
        for name in set(self.parts) - set(names):
            self.stop(name)
        for name in names:
            if name not in self.parts or self.parts[name].poll() is not None:
                self.parts[name] = self._start(name)
        if "web" in names:
            until(lambda: answers(self.url), PATIENCE)

    def _start(self, name: str) -> subprocess.Popen[bytes]:
        options = ["--port", str(self.port), "--web-workers", "1", "--captures", "1"]
        return start(self.home, *options, name.rstrip("0123456789"), **self.env)

    def together(self) -> subprocess.Popen[bytes]:
        """Web and worker under one parent, as `python -m api` starts them."""
        options = ("--port", str(self.port), "--web-workers", "1", "--captures", "1")
        process = start(self.home, *options, **self.env)
        until(lambda: answers(self.url) or process.poll() is not None, PATIENCE)
        return process

    def kill(self, name: str) -> None:
        """As the kernel does when memory is short: nothing can be put in order first."""
        process = self.parts.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE)

    def stop(self, name: str) -> int:
        """As an orchestrator does: its exit status, once it has ended what it was doing."""
        process = self.parts.pop(name)
        process.terminate()
        status = process.wait(PATIENCE)
        end(process)
        return status

    def close(self) -> None:
        for process in self.parts.values():
            end(process)
        self.database.dispose()

    def ask(self, path: str, body: Any = None, **headers: str) -> Said:
        token = (self.home / "token").read_text().strip()
        known = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, known | named)
        try:
            with DIRECT.open(request, timeout=PATIENCE) as answer:
                return _said(answer)
        except urllib.error.HTTPError as refused:
            with refused:
                return _said(refused)

    def order(self, run_id: str, **headers: str) -> str:
        """Order a run's capture: the id of what stands for it."""
        said = self.ask("/v1/captures", {"run_id": run_id}, **headers)
        assert said.status in (201, 202), said
        return str(said.document["id"])

    def capture(self, capture_id: str) -> Capture:
        return self.captures.get(capture_id)

    def ended(self, capture_id: str) -> Capture:
        """The capture, once nothing more will happen to it."""
        until(lambda: self.capture(capture_id).ended, PATIENCE)
        return self.capture(capture_id)

    def kept(self, run_id: str) -> dict[str, int]:
        """How many rows there are of a run's evidence."""
        with self.database.reading() as connection:
            asked = {"subject": f"runs/{run_id}"}
            return {k: connection.execute(text(v), asked).scalar_one() for k, v in _KEPT.items()}

    def run_sql(self, statement: str, **values: Any) -> None:
        with self.database.writing() as connection:
            connection.execute(text(statement), values)

    def lease(self, capture_id: str, until_when: str = LONG_AGO) -> None:
        """Move a lease, or a pause, as if time had gone by."""
        said = "UPDATE captures SET lease_until = :at WHERE id = :id"
        self.run_sql(said, at=until_when, id=capture_id)

    @contextmanager
    def holding(self, run_id: str) -> Iterator[Gate]:
        """Captures of a run get to the gate, and no further until it is opened."""
        gate = Gate(run_id)
        before, self.meddler.meddle = self.meddler.meddle, gate
        try:
            yield gate
        finally:
            gate.opened.set()
            self.meddler.meddle = before


def _said(answer: Any) -> Said:
    body = answer.read()
    kind = answer.headers.get_content_type()
    return Said(answer.status, kind, json.loads(body) if "json" in kind else body)
