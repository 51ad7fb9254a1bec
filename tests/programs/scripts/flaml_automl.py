"""FLAML's search, which logs its trials through the client."""

from contextlib import suppress

import mlflow
from flaml import AutoML
from mlflow.exceptions import MlflowException
from sklearn.datasets import load_iris

x, y = load_iris(return_X_y=True)
mlflow.set_experiment("flaml")
settings = {"max_iter": 2, "time_budget": 20, "estimator_list": ["rf"], "n_jobs": 1, "verbose": 0}
# At the end FLAML 2.7 logs its model, and MLflow 3.17 refuses its classes.
with mlflow.start_run(), suppress(MlflowException):
    AutoML().fit(x, y, task="classification", mlflow_logging=True, **settings)
