"""Runs in a thread pool, and logging that MLflow does in the background."""

from concurrent.futures import ThreadPoolExecutor

import mlflow


def train(number: int) -> None:
    with mlflow.start_run(run_name=str(number)):
        mlflow.log_metric("loss", number)


with ThreadPoolExecutor(4) as pool:
    list(pool.map(train, range(6)))
mlflow.config.enable_async_logging()
with mlflow.start_run():
    for step in range(3):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)
mlflow.flush_async_logging()
