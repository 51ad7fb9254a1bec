"""MLflow as Optuna's storage: a study and its trials are runs that the client makes."""

import mlflow
import optuna
from mlflow.optuna.storage import MlflowStorage

storage = MlflowStorage(experiment_id=mlflow.set_experiment("study").experiment_id)
study = optuna.create_study(study_name="depth", storage=storage)
study.optimize(lambda trial: trial.suggest_float("x", -1, 1) ** 2, n_trials=3)
storage.flush_all_batches()
