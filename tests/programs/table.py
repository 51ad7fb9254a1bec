"""The programs: real libraries, used as their own pages show it, none knowing of the plugin."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

SCRIPTS = Path(__file__).parent / "scripts"


@dataclass(frozen=True)
class Program:
    """A script of `scripts/`, and how many runs it leaves in the store that it is given."""

    name: str
    library: str
    shows: str
    runs: int
    needs: tuple[str, ...] = ()
    """Modules without which it is skipped."""
    elsewhere: tuple[tuple[str, int], ...] = ()
    """Stores that it makes itself, relative to its directory, and how many runs are in each."""

    @property
    def script(self) -> Path:
        return SCRIPTS / f"{self.name}.py"

    @property
    def missing(self) -> list[str]:
        """Modules that are not installed here."""
        return [module for module in self.needs if find_spec(module) is None]

    @property
    def stamped(self) -> int:
        """Runs that one start of it leaves, in all stores."""
        return self.runs + sum(runs for _, runs in self.elsewhere)


PROGRAMS = (
    Program(
        "sklearn_grid_search",
        "scikit-learn",
        "autologging, grid search and random search with their child runs, `n_jobs=2`, pipeline",
        8,
        ("sklearn",),
    ),
    Program(
        "joblib_workers", "joblib", "runs in loky's worker processes and in threads", 5, ("joblib",)
    ),
    Program("xgboost_autolog", "XGBoost", "autologging, both interfaces", 2, ("xgboost",)),
    Program("lightgbm_autolog", "LightGBM", "autologging, both interfaces", 2, ("lightgbm",)),
    Program("catboost_model", "CatBoost", "a logged model", 1, ("catboost",)),
    Program(
        "optuna_callback",
        "Optuna",
        "`MLflowCallback`, `track_in_mlflow`",
        4,
        ("optuna", "optuna_integration"),
    ),
    Program(
        "optuna_mlflow_storage",
        "Optuna",
        "`MlflowStorage`: study and trials by `MlflowClient`",
        4,
        ("optuna", "mlflow.optuna"),
    ),
    Program("hyperopt_nested", "Hyperopt", "nested runs in `fmin`", 4, ("hyperopt",)),
    Program(
        "lightning_logger",
        "Lightning",
        "`MLFlowLogger`: `MlflowClient`, also on a run that exists",
        1,
        ("pytorch_lightning",),
    ),
    Program(
        "lightning_spawned",
        "Lightning",
        "`MLFlowLogger` with two spawned processes",
        1,
        ("pytorch_lightning",),
    ),
    Program("pytorch_autolog", "Lightning", "`mlflow.pytorch.autolog`", 1, ("pytorch_lightning",)),
    Program(
        "transformers_trainer",
        "Transformers",
        '`Trainer` with `report_to="mlflow"`',
        1,
        ("transformers", "accelerate"),
    ),
    Program("keras_autolog", "Keras", "`MlflowCallback`, on PyTorch", 1, ("keras", "torch")),
    Program("ignite_logger", "Ignite", "`MLflowLogger`", 1, ("ignite",)),
    Program("skorch_logger", "skorch", "`MlflowLogger` on a run of `MlflowClient`", 1, ("skorch",)),
    Program(
        "ray_tune",
        "Ray Tune",
        "`MLflowLoggerCallback` by `MlflowClient`; `setup_mlflow` in actors",
        4,
        ("ray",),
    ),
    Program("flaml_automl", "FLAML", "a search that logs its trials", 3, ("flaml",)),
    Program("statsmodels_autolog", "statsmodels", "autologging", 1, ("statsmodels",)),
    Program(
        "evaluate_model",
        "MLflow",
        "`mlflow.evaluate` within a run and without one, system metrics",
        3,
        ("sklearn",),
    ),
    Program("mlflow_project", "MLflow", "`mlflow run` of a project that runs another one", 3),
    Program("spawned_processes", "MLflow", "spawned and forked processes, a process pool", 9),
    Program("threads_and_async", "MLflow", "a thread pool, logging in the background", 7),
    Program(
        "several_stores",
        "MLflow",
        "clients of two stores, a store changed in the middle, `TrackingServiceClient`",
        5,
        elsewhere=(("sqlite:///second.db", 5),),
    ),
    Program("custom_store", "MLflow", "stores of other plugins, subclasses of MLflow's", 3),
    Program("file_store", "MLflow", "the store of plain files", 0, elsewhere=(("mlruns", 3),)),
)


def markdown() -> str:
    """The programs as a table."""
    rows = [f"| {one.library} | {one.shows} | {one.stamped} |" for one in PROGRAMS]
    return "\n".join(
        ["| library | what the program does | runs, all stamped |", "|---|---|---|", *rows]
    )
