"""Nested runs of a search, as MLflow's own example for hyperopt has them."""

import mlflow
from hyperopt import STATUS_OK, Trials, fmin, hp, tpe


def objective(settings: dict) -> dict:
    with mlflow.start_run(nested=True):
        mlflow.log_params(settings)
    return {"loss": settings["x"] ** 2, "status": STATUS_OK}


with mlflow.start_run():
    space = {"x": hp.uniform("x", -1, 1)}
    fmin(objective, space, algo=tpe.suggest, max_evals=3, trials=Trials(), show_progressbar=False)
