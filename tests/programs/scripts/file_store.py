"""The old store of plain files, which MLflow still serves when it is told to."""

import os

os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"

import mlflow

mlflow.set_tracking_uri("file:mlruns")
with mlflow.start_run(), mlflow.start_run(nested=True):
    mlflow.log_metric("loss", 1.0)
mlflow.MlflowClient().create_run("0")
