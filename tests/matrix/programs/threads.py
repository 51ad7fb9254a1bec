import os
from concurrent.futures import ThreadPoolExecutor

import mlflow

given = {"evidence.team": "given"}
client = mlflow.MlflowClient()


def train(number):
    if number % 2:
        client.create_run(os.environ["MLFLOW_EXPERIMENT_ID"], tags=given)
        return
    with mlflow.start_run(tags=given):
        mlflow.log_metric("auc", 0.9)


with ThreadPoolExecutor(4) as pool:
    list(pool.map(train, range(8)))
