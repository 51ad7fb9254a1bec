"""Capture of a whole run, against a script that reads and hashes the same with MLflow's client."""

from __future__ import annotations

import hashlib
import json
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mlflow import MlflowClient

from . import fixture
from .measure import Goal, Row, at_most, interleaved, seconds
from .servers import DIRECT, ONE_WORKER, evidence_service, mlflow_server


def bench(place: Path, quick: bool) -> list[Row]:
    """On a default server: in this process, over REST, all text. Then on one without stalls."""
    with mlflow_server(place / "default") as url:
        run_id = fixture.make_run(url, place / "files")
        with our_service(place / "service", url) as over_rest:
            turns = _turns(place, url, run_id) | {"rest": lambda: over_rest(run_id)}
            default = interleaved(turns, 2 if quick else 5)
        all_text = fixture.make_run(url, place / "texts", texts=fixture.ARTIFACTS)
        text = interleaved(_turns(place, url, all_text), 1 if quick else 2)
    with mlflow_server(place / "one", *ONE_WORKER) as url:
        run_id = fixture.make_run(url, place / "files")
        one = interleaved(_turns(place, url, run_id), 2 if quick else 7)
    return [
        _row("sequential script", default, "ours", "sequential", at_most(0.5)),
        _row("sequential script, over REST (wait=30)", default, "rest", "sequential"),
        _row("MLflow's parallel download", default, "ours", "parallel"),
        _row("sequential script, all 50 artifacts text", text, "ours", "sequential"),
        _row("sequential script, server with 1 worker", one, "ours", "sequential"),
        _row("MLflow's parallel download, server with 1 worker", one, "ours", "parallel"),
    ]


def capture(place: Path, tracking_uri: str, run_id: str) -> list[float]:
    """Read, scan, mask, record, sign and store; into an empty database, so that all is stored."""
    with TemporaryDirectory(dir=place) as home:
        evidence = fixture.make_service(Path(home), tracking_uri)
        measured = seconds(fixture.order(evidence, run_id))
        fixture.check_whole(evidence, run_id)
        evidence.capturing.database.dispose()
    return measured


@contextmanager
def our_service(home: Path, tracking_uri: str) -> Iterator[Callable[[str], list[float]]]:
    """Captures over REST. The database stays, so a tag makes the run another one each time."""
    fixture.make_service(home, tracking_uri).capturing.database.dispose()
    token = (home / "token").read_text().strip()
    client, turn = MlflowClient(tracking_uri), count()

    def over_rest(run_id: str) -> list[float]:
        client.set_tag(run_id, "turn", str(next(turn)))
        return seconds(lambda: _post(f"{url}/v1/captures", token, {"run_id": run_id}))

    with evidence_service(fixture.settings_of(home, tracking_uri)) as (url, _):
        yield over_rest


def _turns(place: Path, tracking_uri: str, run_id: str) -> dict[str, Callable[[], list[float]]]:
    script = Script(tracking_uri)
    return {
        "ours": lambda: capture(place, tracking_uri, run_id),
        "sequential": lambda: seconds(lambda: script.sequential(run_id)),
        "parallel": lambda: seconds(lambda: script.parallel(run_id)),
    }


def _row(
    what: str, measured: dict[str, list[float]], ours: str, peer: str, goal: Goal | None = None
) -> Row:
    return Row.of(f"capture ÷ {what}", measured[ours], measured[peer], "s", goal)


class Script:
    """What somebody would write who needs the same facts: history, files, digests."""

    def __init__(self, tracking_uri: str) -> None:
        self.client = MlflowClient(tracking_uri)

    def sequential(self, run_id: str) -> dict[str, str]:
        """One request after the other."""
        found = self._histories(run_id)
        with TemporaryDirectory() as folder:
            for path in self._files(run_id, None):
                local = self.client.download_artifacts(run_id, path, folder)
                found[path] = hashlib.sha256(Path(local).read_bytes()).hexdigest()
        return _complete(found)

    def parallel(self, run_id: str) -> dict[str, str]:
        """All files in one call, which MLflow spreads over its own threads."""
        found = self._histories(run_id)
        with TemporaryDirectory() as folder:
            root = Path(self.client.download_artifacts(run_id, "", folder))
            for file in (path for path in root.rglob("*") if path.is_file()):
                found[str(file)] = hashlib.sha256(file.read_bytes()).hexdigest()
        return _complete(found)

    def _histories(self, run_id: str) -> dict[str, str]:
        found = {}
        for key in self.client.get_run(run_id).data.metrics:
            points = self.client.get_metric_history(run_id, key)
            text = "".join(f"{p.step},{p.timestamp},{p.value!r}\n" for p in points)
            found[key] = hashlib.sha256(text.encode()).hexdigest()
        return found

    def _files(self, run_id: str, folder: str | None) -> Iterator[str]:
        for entry in self.client.list_artifacts(run_id, folder):
            if entry.is_dir:
                yield from self._files(run_id, entry.path)
            else:
                yield entry.path


def _complete(found: dict[str, str]) -> dict[str, str]:
    if len(found) != fixture.METRICS + fixture.ARTIFACTS:
        raise RuntimeError(f"the script read {len(found)} series and files")
    return found


def _post(url: str, token: str, body: dict[str, Any]) -> None:
    headers = {
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/json",
        "Prefer": "wait=30",
    }
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with DIRECT.open(request, timeout=60) as answer:
        told = json.load(answer)
    if answer.status != 201 or told["state"] != "done":
        raise RuntimeError(f"not captured: {answer.status} {told}")
