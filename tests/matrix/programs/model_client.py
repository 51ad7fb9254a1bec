import os

from mlflow import MlflowClient

MlflowClient().create_logged_model(
    os.environ["MLFLOW_EXPERIMENT_ID"], name="model", tags={"evidence.team": "given"}
)
