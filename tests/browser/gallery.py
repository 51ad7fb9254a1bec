"""A service with evidence to look at: snapshots made by hand, captured through the real rooms."""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from werkzeug.serving import make_server

from mlflow_evidence_plugin.collect.runs import series_of
from mlflow_evidence_plugin.errors import NotFound
from mlflow_evidence_plugin.snapshot import (
    Artifact,
    Dataset,
    Gap,
    Metric,
    RunSnapshot,
    Secret,
    VersionSnapshot,
)
from tests.conftest import Service, serve
from tests.contract.checked import Client
from tests.unit import samples
from tests.world import POLICY

HOSTILE = {
    "script": "<script>alert(1)</script>",
    "image": '<img src=x onerror="alert(1)">',
    "attribute": '" onmouseover="alert(1)" x="',
    "attribute, single": "' onfocus='alert(1)' autofocus='",
    "closing": "</td></table></main><h1>free</h1>",
    "style": "</style><style>*{display:none}</style>",
    "comment": "--><script>alert(1)</script><!--",
    "template": "{{ 7 * 7 }}{% include 'x' %}",
    "entity": "&lt;script&gt;&#60;script&#62;",
    "link": "[click](javascript:alert(1))",
    "picture": "![x](https://evil.example/x.png)",
    "autolink": "<https://evil.example>",
    "bare link": "https://evil.example www.evil.example mail@evil.example",
    "heading": "\n# Approved\n\nby everybody",
    "setext heading": "Approved\n===\n",
    "table": "a | b\n---|---\n1 | 2",
    "fence": "```\n# out\n```",
    "backticks": "`` ` ``` x `",
    "backslash": "\\`x\\`",
    "quote": "> said\n> so",
    "html block": "\n\n<div>\n\n<form action=https://evil.example>",
    "reference": "[x]: https://evil.example\n[x]",
    "mention": "@everyone #1 !2 ~label",
    "turned": "exe.\u202egpj",
    "hidden": "a\u200bb\u2066c\U000e0041d",
    "long": "x" * 5000,
    "blank": "   ",
}
"""Values that strangers may log, by what they try."""


class Shelf:
    """Stands where MLflow's store would: gives snapshots by name."""

    def __init__(self) -> None:
        self.runs: dict[str, RunSnapshot] = {}
        self.versions: dict[tuple[str, str], VersionSnapshot] = {}
        self.aliases: dict[tuple[str, str], str] = {}

    def run(self, run_id: str, *_: Any) -> RunSnapshot:
        return self.runs[run_id]

    def version(self, model: str, version: str, *_: Any) -> VersionSnapshot:
        return self.versions[model, version]

    def holder(self, model: str, alias: str) -> tuple[str, int]:
        if (model, alias) not in self.aliases:
            raise NotFound(f"no version holds {alias}")
        return self.aliases[model, alias], 0

    def knows_version(self, model: str, version: str) -> bool:
        return (model, version) in self.versions

    def knows_model(self, name: str) -> bool:
        return any(model == name for model, _ in self.versions)


@dataclass
class Gallery:
    """A service, its evidence, and a token that may do everything."""

    service: Service
    shelf: Shelf = field(default_factory=Shelf)

    @property
    def app(self) -> Any:
        return self.service.on_store(self.shelf)

    @property
    def token(self) -> str:
        return (self.service.home / "token").read_text().strip()

    def capture(self, of: RunSnapshot | VersionSnapshot) -> str:
        """Capture a snapshot over REST; its digest."""
        if isinstance(of, VersionSnapshot):
            self.shelf.versions[of.name, of.version] = of
            subject = {"model": of.name, "version": of.version}
        else:
            self.shelf.runs[of.run_id] = of
            subject = {"run_id": of.run_id}
        answer = Client(self.app, self.token).capture(**subject)
        assert answer.status_code == 201, answer.text
        return answer.json["digest"]

    def judge(self, model: str, version: str, environment: str) -> None:
        """Ask for a decision, so that there is one."""
        path = f"/v1/models/{model}/versions/{version}/decision?environment={environment}"
        assert Client(self.app, self.token).get(path).status_code == 200


def gallery(folder: Path) -> Gallery:
    """An empty one."""
    (folder / "policy.yaml").write_text(POLICY, "utf-8")
    return Gallery(
        serve(folder / "home", "http://127.0.0.1:9", POLICY_FILE=str(folder / "policy.yaml"))
    )


@contextmanager
def listening(app: Any) -> Iterator[str]:
    """The application on a port of this machine."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()


def histories(count: int = 4, points: int = 60) -> dict[str, list[float]]:
    """Curves as trainings make them, one with gaps."""
    made = random.Random(7)
    shapes = {
        "auc": [0.96 - 0.4 * math.exp(-n / 12) + made.gauss(0, 0.004) for n in range(points)],
        "log_loss": [0.2 + 0.6 * math.exp(-n / 9) + made.gauss(0, 0.01) for n in range(points)],
        "grad_norm": [math.nan if n in (20, 21, 40) else 1 + made.random() for n in range(points)],
        "lr": [1e-3 * 0.5 ** (n // 15) for n in range(points)],
    }
    for n in range(len(shapes), count):
        shapes[f"val/fold_{n:03}/f1"] = [made.random() + i / points for i in range(points)]
    return dict(list(shapes.items())[:count])


def made_run(curves: dict[str, list[float]] | None = None, **changes: Any) -> RunSnapshot:
    """A run as a monthly training leaves it."""
    curves = histories() if curves is None else curves
    series = [
        series_of(k, [samples.Point(v, n) for n, v in enumerate(c)])[0] for k, c in curves.items()
    ]
    tags = {
        "evidence.schema": "1",
        "evidence.owner": "jane.doe@example.com",
        "evidence.team": "diagnostics",
        "evidence.ticket": "CHG-1042",
        "evidence.environment": "training",
        "evidence.rollback": "set the alias production back to the previous version",
        "evidence.monitoring": "https://grafana.example.com/d/tumour",
        "evidence.git.commit": "7b252b242fc593f1d596e4902cbf60d79f325900",
        "evidence.git.branch": "main",
        "evidence.host": "gpu-07",
        "mlflow.source.name": "train.py",
        "mlflow.user": "jane",
    }
    found = samples.run(
        name="monthly-2026-06",
        tags=tags,
        experiment="tumour-monthly",
        parameters={"depth": "6", "learning_rate": "0.001", "max_epochs": "60", "seed": "7"},
        inputs=(
            Dataset(
                "scans-2026-06",
                "0d1e2f3a",
                "http",
                '{"uri": "https://data.example.org/scans.parquet"}',
                "train",
            ),
        ),
        artifacts=(
            Artifact("model/MLmodel", 812, "ab" * 32),
            Artifact("model/model.pkl", 1_284_511, "cd" * 32),
            Artifact("model/requirements.txt", 212, "ef" * 32),
            Artifact("plots/confusion matrix.png", 38_112, "12" * 32),
        ),
    )
    metrics = tuple(Metric(k, c[-1], len(c) - 1, 1_700_000_000_000) for k, c in curves.items())
    return replace(found, metrics=metrics, series=tuple(series), **changes)


def made_version(
    number: str = "7", source: RunSnapshot | None = None, **changes: Any
) -> VersionSnapshot:
    """A model version with files."""
    source = source or made_run()
    files = tuple(replace(a, path=a.path.removeprefix("model/")) for a in source.artifacts[:3])
    return samples.version(
        number, source, **{"name": "tumour", "files": files, "previous": "6", **changes}
    )


def odd_run() -> RunSnapshot:
    """Every hostile value, as parameter, tag, metric's name, artifact and dataset."""
    values = list(HOSTILE.values())
    return made_run(
        {value: [1.0, 2.0] for value in values[:6]},
        run_id="f" * 32,
        name=HOSTILE["script"],
        parameters={**HOSTILE, **{value: name for name, value in HOSTILE.items()}},
        tags={
            "evidence.owner": HOSTILE["attribute"],
            "evidence.ticket": HOSTILE["link"],
            **HOSTILE,
        },
        artifacts=tuple(Artifact(value.strip() or "x", 1, "ab" * 32) for value in values),
        inputs=(
            Dataset(HOSTILE["image"], HOSTILE["table"], HOSTILE["fence"], HOSTILE["closing"], "x"),
        ),
        gaps=(Gap(f"outputs/{HOSTILE['script']}", "unreadable", HOSTILE["heading"]),),
        secrets=(Secret(f"outputs/{HOSTILE['image']}:1", "aws-key", "12ab34cd"),),
        experiment=HOSTILE["closing"],
    )


def big_run(params: int = 500, metrics: int = 500, artifacts: int = 5000) -> RunSnapshot:
    """As large as runs get."""
    deep = "checkpoints/a/rather/deep/folder/with_a_long_name_that_has_no_blank"
    return made_run(
        histories(metrics, 30),
        run_id="b" * 32,
        name="sweep-0412",
        parameters={f"model.layer_{n:03}.initializer_range": str(n / 7) for n in range(params)},
        artifacts=tuple(
            Artifact(f"{deep}/step_{n:05}/shard.bin", n * 977, f"{n:064x}")
            for n in range(artifacts)
        ),
        tags={**made_run().tags, **{f"sweep.tag_{n}": f"value {n}" for n in range(60)}},
    )
