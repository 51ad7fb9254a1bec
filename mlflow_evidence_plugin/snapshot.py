"""Facts read from MLflow about one run or one model version. Plain data, no behaviour.

Times are milliseconds since the epoch, sizes bytes, digests lower-case hex SHA-256.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Gap:
    """Something that could not be read, where it belongs, and why."""

    place: str
    code: str
    reason: str


@dataclass(frozen=True)
class Secret:
    """A secret that was found and not copied.

    `place` is like `parameters/password` or `outputs/app.log:12`. `fingerprint` lets the owner
    recognise the same secret in several places; it is slow to guess and cannot be turned back.
    """

    place: str
    kind: str
    fingerprint: str


@dataclass(frozen=True)
class Metric:
    """A metric's latest point. Step and time are None when its history could not be read."""

    key: str
    value: float
    step: int | None
    timestamp: int | None


@dataclass(frozen=True)
class Series:
    """The whole history of one metric.

    `text` holds a line `step,timestamp,value` a point, ordered by these three; `digest` is its
    SHA-256. Values are written so that reading them gives the same double again.
    """

    key: str
    count: int
    first: float
    last: float
    low: float
    high: float
    digest: str
    text: bytes = field(repr=False)


@dataclass(frozen=True)
class Artifact:
    """A file of the run or of the model, as it was hashed.

    `signature` is what a file MLmodel says of the model's, by part: empty where it has none, None
    where that is not known.
    """

    path: str
    size: int
    sha256: str
    signature: tuple[tuple[str, str], ...] | None = None


@dataclass(frozen=True)
class Dataset:
    """A dataset input, as the run logged it. Its `source` is never opened."""

    name: str
    digest: str
    source_type: str
    source: str
    context: str


@dataclass(frozen=True)
class LoggedModel:
    """An MLflow 3 logged model that belongs to the run."""

    model_id: str
    name: str
    status: str


@dataclass(frozen=True)
class RunSnapshot:
    """One run, read at one moment."""

    run_id: str
    name: str
    experiment_id: str
    experiment: str
    status: str
    lifecycle: str
    user: str
    start_time: int | None
    end_time: int | None
    artifact_uri: str
    parameters: dict[str, str]
    tags: dict[str, str]
    metrics: tuple[Metric, ...]
    series: tuple[Series, ...] = ()
    inputs: tuple[Dataset, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    parent: str | None = None
    children: tuple[str, ...] = ()
    logged_models: tuple[LoggedModel, ...] = ()
    versions: tuple[tuple[str, str], ...] = ()
    secrets: tuple[Secret, ...] = ()
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True)
class VersionSnapshot:
    """One registered model version with the run that it came from, where there is one."""

    name: str
    version: str
    run_id: str | None
    creator: str
    created: int | None
    source: str
    description: str
    tags: dict[str, str]
    files: tuple[Artifact, ...] = ()
    previous: str | None = None
    previous_created: int = 0
    run: RunSnapshot | None = None
    secrets: tuple[Secret, ...] = ()
    gaps: tuple[Gap, ...] = ()


Snapshot = RunSnapshot | VersionSnapshot
