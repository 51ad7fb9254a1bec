"""Optuna's own callback: a run for each trial."""

import mlflow
import optuna
from optuna.integration.mlflow import MLflowCallback

callback = MLflowCallback(tracking_uri=mlflow.get_tracking_uri(), metric_name="loss")


@callback.track_in_mlflow()
def tracked(trial: optuna.Trial) -> float:
    x = trial.suggest_float("x", -1, 1)
    mlflow.log_param("twice", 2 * x)
    return x**2


def plain(trial: optuna.Trial) -> float:
    return trial.suggest_float("x", -1, 1) ** 2


optuna.create_study(study_name="tracked").optimize(tracked, n_trials=2, callbacks=[callback])
optuna.create_study(study_name="plain").optimize(plain, n_trials=2, callbacks=[callback])
