"""Clients of several stores at once, and a store that is changed in the middle."""

import os
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.tracking._tracking_service.client import TrackingServiceClient

first = os.environ["MLFLOW_TRACKING_URI"]
second = f"sqlite:///{Path('second.db').absolute()}"
one, two = MlflowClient(tracking_uri=first), MlflowClient(tracking_uri=second)
runs = [one.create_run("0"), two.create_run("0"), one.create_run("0"), two.create_run("0")]
with mlflow.start_run():
    pass
mlflow.set_tracking_uri(second)
with mlflow.start_run(), mlflow.start_run(nested=True):
    pass
with mlflow.start_run(run_id=runs[1].info.run_id):
    pass
mlflow.set_tracking_uri(first)
with mlflow.start_run(run_id=runs[0].info.run_id):
    pass
TrackingServiceClient(first).create_run("0")
TrackingServiceClient(second).create_run("0")
mlflow.client.MlflowClient().create_run("0")
