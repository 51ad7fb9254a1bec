"""The ways in which MLflow comes to a run or a logged model, and where each of them exists.

Each is a program in `programs/`, which knows nothing of the plugin.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from packaging.version import Version

from mlflow_evidence_plugin.collect.azure import OLDEST

Store = Literal["sqlite", "http", "azureml"]

NO_MODELS = "MLflow 2 has no logged models."
NO_MODELS_THERE = (
    "An Azure ML workspace has no logged models: it answers 404 "
    "([Azure/azure-sdk-for-python#44896]"
    "(https://github.com/Azure/azure-sdk-for-python/issues/44896))."
)


NO_CHILDREN = (
    f"The parent run alone: autologging logs a table first, and azureml-mlflow before {OLDEST} "
    "fails at any artifact beside MLflow 3, so that it never comes to the child runs."
)


@dataclass(frozen=True)
class Versions:
    """What an environment has installed."""

    mlflow: str
    azureml: str = ""

    @property
    def outgrown(self) -> bool:
        """Whether Azure ML's client is too old for this mlflow."""
        new = Version(self.mlflow) >= Version("3")
        return new and bool(self.azureml) and Version(self.azureml) < Version(OLDEST)


@dataclass(frozen=True)
class Path:
    """How many runs and models its program creates, and how it learns of a run to resume.

    `ungiven` of the runs get no tags of the program's: autologging keeps them for the parent.
    """

    name: str
    title: str
    runs: int = 0
    models: int = 0
    ungiven: int = 0
    resumes: Literal["", "argument", "variable"] = ""

    def missing(self, store: Store, versions: Versions) -> str | None:
        """Why there is no such path here; None where there is."""
        if self.models and Version(versions.mlflow) < Version("3"):
            return NO_MODELS
        if store != "azureml":
            return None
        if self.models:
            return NO_MODELS_THERE
        return NO_CHILDREN if self.name == "autolog" and versions.outgrown else None


PATHS = (
    Path("fluent", "`mlflow.start_run()`", runs=1),
    Path("nested", "`start_run(nested=True)`", runs=3),
    Path("run_id", "`start_run(run_id=…)` of an unstamped run", resumes="argument"),
    Path("variable", "`MLFLOW_RUN_ID` of an unstamped run", resumes="variable"),
    Path("implicit", "`mlflow.log_metric` first, under `MLFLOW_RUN_ID`", resumes="variable"),
    Path("client", "`MlflowClient().create_run`", runs=1),
    Path("autolog", "autologging, with the child runs of a `GridSearchCV`", runs=3, ungiven=2),
    Path("project", "`mlflow run` of an `MLproject`, in the same environment", runs=1),
    Path("threads", "threads, fluent and client", runs=8),
    Path("fork", "forked workers: `os.fork`, `multiprocessing`", runs=4),
    Path("spawn", "spawned workers, one creates and one resumes", runs=1, resumes="argument"),
    Path("model_fluent", "`initialize_logged_model`, `log_model`", runs=1, models=2),
    Path("model_client", "`MlflowClient().create_logged_model`", models=1),
)
