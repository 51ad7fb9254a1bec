"""Runs and model versions as training scripts and registry users make them."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

POLICY = """\
version: 1
environments:
  prod:
    valid_hours: 24
    rules:
      - rule: tracked-run
      - rule: run-finished
      - rule: required-tags
        tags: [owner, ticket, rollback]
      - rule: required-metrics
        metrics: [auc, log_loss]
      - rule: metric-threshold
        metric: auc
        min: 0.9
      - rule: no-regression
        metric: log_loss
        direction: lower
        baseline: {alias: production}
        tolerance: 0.03
      - rule: required-tags
        tags: [runbook]
        severity: warn
  lab:
    rules:
      - rule: tracked-run
  first:
    rules:
      - rule: no-regression
        metric: log_loss
        direction: lower
        baseline: {alias: champion}
        if_no_baseline: pass
"""

GOVERNANCE = {
    "evidence.owner": "ana@example.org",
    "evidence.ticket": "CHG-1042",
    "evidence.rollback": "set alias production to the previous version",
}
PLANTED = {
    "url": "postgresql://scorer:Tr0ub4dor-and-3@db.example.org/credit",
    "key": "AKIAIOSFODNN7PLANTED",
    "line": "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMIK7MDENGbPxRfiCYPLANTEDKEY0",
}
SECRETS = ("Tr0ub4dor-and-3", PLANTED["key"], "wJalrXUtnFEMIK7MDENGbPxRfiCYPLANTEDKEY0")
FILES = {
    "report.md": "# fine\n",
    "plots/deep/er/figure 1.svg": "<svg/>\n",
    "größe/naïve ☃.txt": "Schnee\n",
    "odd/100% of it.txt": "signs\n",
    "model/MLmodel": "artifact_path: model\n",
    "model/weights.bin": "\0\1\2" * 1000,
}


class Maker:
    """Makes runs and versions as a training script and a registry user would."""

    def __init__(self, url: str) -> None:
        import mlflow

        mlflow.set_tracking_uri(url)
        self.client = mlflow.MlflowClient(url)
        self.experiments: dict[str, str] = {}
        self._numbers = itertools.count(1)

    def new_name(self, name: str) -> str:
        """A model's name that nobody has used: some tests run once on each database."""
        return f"{name}-{next(self._numbers)}"

    def experiment(self, name: str, **options: Any) -> str:
        if name not in self.experiments:
            self.experiments[name] = self.client.create_experiment(name, **options)
        return self.experiments[name]

    def run(
        self,
        auc: float = 0.95,
        log_loss: float = 0.2,
        *,
        experiment: str = "credit",
        tags: dict[str, str] | None = None,
        files: dict[str, str] | None = None,
        params: dict[str, str] | None = None,
        metrics: dict[str, float] | None = None,
        end: bool = True,
    ) -> str:
        known = GOVERNANCE if tags is None else tags
        run_id = self.client.create_run(self.experiment(experiment), tags=known).info.run_id
        for step, share in enumerate((0.9, 1.0)):
            self.client.log_metric(run_id, "auc", auc * share, step=step)
        self.client.log_metric(run_id, "log_loss", log_loss)
        for key, value in (metrics or {}).items():
            self.client.log_metric(run_id, key, value)
        for key, value in (params or {"alpha": "0.1"}).items():
            self.client.log_param(run_id, key, value)
        for path, text in ({"model/MLmodel": "x\n"} if files is None else files).items():
            self.client.log_text(run_id, text, path)
        if end:
            self.client.set_terminated(run_id)
        return run_id

    def version(self, model: str, run_id: str) -> str:
        from mlflow.exceptions import MlflowException

        try:
            self.client.create_registered_model(model)
        except MlflowException as error:
            assert error.error_code == "RESOURCE_ALREADY_EXISTS"
        source = self.client.get_run(run_id).info.artifact_uri + "/model"
        return str(self.client.create_model_version(model, source, run_id).version)


def log_input(client: Any, run_id: str) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    source = '{"uri": "https://data.example.org/applications.parquet"}'
    dataset = Dataset("applications", "0d1e2f3a", "http", source)
    client.log_inputs(run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "train")])])


def version_behind_the_server(folder: Path, source: str) -> str:
    # The server refuses such a source over REST; others with access to the registry can write it.
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

    registry = SqlAlchemyStore(f"sqlite:///{folder / 'mlflow.db'}")
    try:
        return str(registry.create_model_version("credit", source).version)
    finally:
        registry.engine.dispose()
