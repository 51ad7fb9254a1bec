"""One run, with its history, inputs, family, models and files, read side by side."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any

from ..snapshot import Dataset, Gap, LoggedModel, Metric, RunSnapshot, Secret, Series
from .artifacts import FileReader
from .versions import versions_of_run

PARENT_TAG = "mlflow.parentRunId"
CONTEXT_TAG = "mlflow.data.context"


@dataclass
class RunReader:
    """Reads what belongs to a run that was found. Each part that fails becomes a gap."""

    client: Any
    pool: Executor
    files: FileReader
    repository: Callable[[str], Any]
    gaps: list[Gap] = field(default_factory=list)
    histories: bool = True
    """Each costs a request; without them a metric has its latest value alone."""

    def read(self, run: Any) -> RunSnapshot:
        """The snapshot of an `mlflow.entities.Run`."""
        run_id = run.info.run_id
        experiment = self._begin(self._experiment, run)
        keys = sorted(run.data.metrics) if self.histories else ()
        series = {key: self._begin(self._series, run_id, key) for key in keys}
        children = self._begin(self._children, run)
        models = self._begin(self._logged_models, run)
        versions = self._begin(self._versions, run_id)
        artifacts, notes = self.files.read(self.repository, run.info.artifact_uri, "outputs")
        points = {k: self._end(s, f"history/{k}", None) for k, s in series.items()}
        return RunSnapshot(
            run_id=run_id,
            name=run.info.run_name or "",
            experiment_id=str(run.info.experiment_id),
            experiment=self._end(experiment, "run/experiment", ""),
            status=str(run.info.status),
            lifecycle=str(run.info.lifecycle_stage),
            user=run.info.user_id or run.data.tags.get("mlflow.user", ""),
            start_time=run.info.start_time,
            end_time=run.info.end_time,
            artifact_uri=run.info.artifact_uri or "",
            parameters=dict(run.data.params),
            tags=dict(run.data.tags),
            metrics=tuple(_metric(k, v, points.get(k)) for k, v in run.data.metrics.items()),
            series=tuple(p[0] for p in points.values() if p),
            inputs=_inputs(run),
            artifacts=tuple(artifacts),
            parent=run.data.tags.get(PARENT_TAG),
            children=tuple(self._end(children, "lineage/children", [])),
            logged_models=tuple(self._end(models, "models/logged", [])),
            versions=tuple(self._end(versions, "models/versions", [])),
            secrets=tuple(n for n in notes if isinstance(n, Secret)),
            gaps=(*self.gaps, *(n for n in notes if isinstance(n, Gap))),
        )

    def _begin(self, read: Callable[..., Any], *args: Any) -> Future[Any]:
        return self.pool.submit(read, *args)

    def _end(self, reading: Future[Any], place: str, otherwise: Any) -> Any:
        try:
            return reading.result()
        except Exception as error:
            reason = f"the tracking store did not give it: {type(error).__name__}"
            self.gaps.append(Gap(place, "unreadable", reason))
            return otherwise

    def _experiment(self, run: Any) -> str:
        return str(self.client.get_experiment(run.info.experiment_id).name)

    def _series(self, run_id: str, key: str) -> tuple[Series, Any] | None:
        points = self.client.get_metric_history(run_id, key)
        return series_of(key, points) if points else None

    def _children(self, run: Any) -> list[str]:
        mine = f"tags.`{PARENT_TAG}` = '{run.info.run_id}'"
        found, token = [], None
        while True:
            page = self.client.search_runs([run.info.experiment_id], mine, page_token=token)
            found += [child.info.run_id for child in page]
            token = page.token
            if not token:
                return sorted(found)

    def _logged_models(self, run: Any) -> list[LoggedModel]:
        outputs = getattr(run, "outputs", None)  # MLflow 3
        ids = sorted({one.model_id for one in outputs.model_outputs} if outputs else ())
        if not ids:
            return []  # MLflow 2 knows none, and has no `get_logged_model`
        return [
            LoggedModel(m.model_id, m.name, str(getattr(m.status, "value", m.status)))
            for m in map(self.client.get_logged_model, ids)
        ]

    def _versions(self, run_id: str) -> list[tuple[str, str]]:
        return sorted((one.name, str(one.version)) for one in versions_of_run(self.client, run_id))


def series_of(key: str, points: list[Any]) -> tuple[Series, Any]:
    """A metric's series with its digest, and its latest point, from MLflow's points."""
    ordered = sorted(points, key=lambda p: (p.step, p.timestamp, repr(p.value)))
    text = "".join([f"{p.step},{p.timestamp},{_number(p.value)}\n" for p in ordered]).encode()
    known = [p.value for p in ordered if p.value == p.value] or [float("nan")]
    first, last = ordered[0], ordered[-1]
    digest = "sha256:" + hashlib.sha256(text).hexdigest()
    series = Series(
        key, len(ordered), first.value, last.value, min(known), max(known), digest, text
    )
    return series, last


def _number(value: float) -> str:
    text = repr(value)
    return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}.get(text, text)


def _metric(key: str, value: float, found: tuple[Series, Any] | None) -> Metric:
    last = found[1] if found else None
    return Metric(key, value, last.step if last else None, last.timestamp if last else None)


def _inputs(run: Any) -> tuple[Dataset, ...]:
    inputs = getattr(run, "inputs", None)
    return tuple(
        Dataset(
            one.dataset.name,
            one.dataset.digest,
            one.dataset.source_type or "",
            one.dataset.source or "",
            next((tag.value for tag in one.tags if tag.key == CONTEXT_TAG), ""),
        )
        for one in (inputs.dataset_inputs if inputs else ())
    )
