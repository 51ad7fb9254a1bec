"""A training program that measures itself, on commands from its standard input.

It knows nothing of the plugin. It answers each command with one line of JSON.
"""

import json
import sys
import time
from pathlib import Path

ANSWERS = sys.stdout
sys.stdout = sys.stderr  # MLflow prints the addresses of runs


def imports(_: int) -> list[float]:
    """`import mlflow`: time of the processor (user and system), and by the clock; in ms as all."""
    clock, processor = time.perf_counter(), time.process_time()
    import mlflow  # noqa: F401

    return [_ms(processor, time.process_time()), _ms(clock, time.perf_counter())]


GIVEN: dict[str, str] = {}
"""Tags that are given by hand: what they cost in MLflow itself."""


def by_hand(_: int) -> None:
    """From now on, give the tags of tags.json to each run."""
    GIVEN.update(json.loads((Path.home() / "tags.json").read_text()))


def runs(count: int) -> list[float]:
    """Each of `count` runs, started and ended."""
    return [_run() for _ in range(count)]


def nested(count: int) -> list[float]:
    """The same below one parent run."""
    import mlflow

    with mlflow.start_run():
        return [_run(nested=True) for _ in range(count)]


def client(count: int) -> list[float]:
    """`MlflowClient().create_run`."""
    import mlflow

    measured = []
    for _ in range(count):
        began = time.perf_counter()
        mlflow.MlflowClient().create_run("0", tags=GIVEN)
        measured.append(_ms(began, time.perf_counter()))
    return measured


def make(count: int) -> None:
    """Runs for `resumed`, with the tags that are given, if any."""
    import mlflow

    made = [mlflow.MlflowClient().create_run("0", tags=GIVEN) for _ in range(count)]
    (Path.home() / "runs.json").write_text(json.dumps([run.info.run_id for run in made]))


def resumed(_: int) -> list[float]:
    """Each run of `make`, resumed and ended."""
    return [_run(run_id=run_id) for run_id in json.loads((Path.home() / "runs.json").read_text())]


def _run(**how: object) -> float:
    import mlflow

    began = time.perf_counter()
    mlflow.start_run(tags=GIVEN or None, **how)
    mlflow.end_run()
    return _ms(began, time.perf_counter())


def start(_: int) -> list[float]:
    """`start_run` alone."""
    import mlflow

    began = time.perf_counter()
    mlflow.start_run()
    measured = _ms(began, time.perf_counter())
    mlflow.end_run()
    return [measured]


def headers(count: int) -> list[float]:
    """Microseconds of one `resolve_request_headers()`, the mean of `count` calls."""
    from mlflow.tracking.request_header.registry import resolve_request_headers

    began = time.perf_counter()
    for _ in range(count):
        resolve_request_headers()
    return [(time.perf_counter() - began) / count * 1e6]


def stamped(_: int) -> dict[str, str]:
    """The evidence tags of a new run: shows which of the two environments this is."""
    import mlflow

    with mlflow.start_run() as run:
        tags = mlflow.get_run(run.info.run_id).data.tags
    return {name: value for name, value in tags.items() if name.startswith("evidence.")}


def _ms(began: float, ended: float) -> float:
    return (ended - began) * 1000


COMMANDS = {
    one.__name__: one
    for one in (imports, by_hand, runs, nested, client, make, resumed, start, headers, stamped)
}

for line in sys.stdin:
    name, number = line.split()
    print(json.dumps(COMMANDS[name](int(number))), file=ANSWERS, flush=True)
