"""Stores that another library brings, registered as `mlflow.tracking_store` plugins are."""

import os
from functools import partial

import mlflow
from mlflow.store.tracking.rest_store import RestStore
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking._tracking_service.utils import _tracking_store_registry as registry
from mlflow.utils.rest_utils import MlflowHostCreds


class OwnDatabase(SqlAlchemyStore):
    def create_run(self, experiment_id, user_id, start_time, tags, run_name):
        return super().create_run(experiment_id, user_id, start_time, tags, run_name or "own")


class OwnServer(RestStore):
    def create_run(self, *args, **kwargs):
        return super().create_run(*args, **kwargs)


uri = os.environ["MLFLOW_TRACKING_URI"]
if uri.startswith("sqlite"):
    registry.register("own", lambda store_uri, artifact_uri=None: OwnDatabase(uri, artifact_uri))
else:
    creds = partial(MlflowHostCreds, uri)
    registry.register("own", lambda store_uri, artifact_uri=None: OwnServer(creds))
mlflow.set_tracking_uri("own://store")
with mlflow.start_run(), mlflow.start_run(nested=True):
    pass
mlflow.MlflowClient().create_run("0")
