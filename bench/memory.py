"""How much more memory the capture of a huge artifact takes than that of a small one."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow import MlflowClient

from .measure import Row, at_most_more, interleaved
from .servers import CHECKOUT, environment, mlflow_server

SMALL, HUGE = 2 << 20, 2 << 30
GROWTH = at_most_more(64, "MiB")


def bench(place: Path, quick: bool) -> list[Row]:
    """From a local store's own folder, and through a tracking server."""
    rounds = 1 if quick else 3
    store = f"sqlite:///{place / 'mlflow.db'}"
    local = _growth(place, store, place / "mlruns", rounds)
    with mlflow_server(place / "server") as url:
        proxied = _growth(place, url, place / "server" / "artifacts", rounds)
    return [
        Row.of("peak memory, capture of 2 GiB and 2 MiB, local", *local, "MiB", GROWTH),
        Row.of("peak memory, capture of 2 GiB and 2 MiB, HTTP", *proxied, "MiB", GROWTH),
    ]


def capture_once(home: str, tracking_uri: str, run_id: str) -> float:
    """Capture a run in this process, and nothing else: its peak memory in MiB.

    Read from the kernel's high-water mark and not from `ru_maxrss`, which a process takes over
    from its parent.
    """
    from . import fixture

    evidence = fixture.make_service(Path(home), tracking_uri)
    fixture.order(evidence, run_id)()
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) / 1024


def _growth(place: Path, tracking_uri: str, artifacts: Path, rounds: int) -> tuple[list, list]:
    runs = {"huge": HUGE, "small": SMALL}
    ids = {name: _make_run(tracking_uri, artifacts, size) for name, size in runs.items()}

    def turn(name: str) -> list[float]:
        with TemporaryDirectory(dir=place) as home:
            command = [sys.executable, "-m", "bench.memory", home, tracking_uri, ids[name]]
            done = subprocess.run(
                command, cwd=CHECKOUT, env=environment(), capture_output=True, text=True, check=True
            )
        return [float(done.stdout)]

    peaks = interleaved({name: partial(turn, name) for name in runs}, rounds, warmup=0)
    return peaks["huge"], peaks["small"]


def _make_run(tracking_uri: str, artifacts: Path, size: int) -> str:
    """A run with one artifact, a sparse file put where the store keeps such."""
    client = MlflowClient(tracking_uri)
    name = f"{size} bytes"
    location = None if tracking_uri.startswith("http") else artifacts.as_uri()
    experiment = client.create_experiment(name, artifact_location=location)
    run = client.create_run(experiment)
    uri = run.info.artifact_uri
    folder = artifacts / uri.removeprefix("mlflow-artifacts:/").removeprefix(
        artifacts.as_uri()
    ).strip("/")
    folder.mkdir(parents=True)
    with (folder / "weights.bin").open("wb") as file:
        file.truncate(size)
    client.set_terminated(run.info.run_id)
    return run.info.run_id


if __name__ == "__main__":
    print(capture_once(*sys.argv[1:]))
