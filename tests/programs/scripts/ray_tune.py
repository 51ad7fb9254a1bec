"""Ray Tune's callback in the driver, and a run in each of its actors."""

import os
from pathlib import Path

import mlflow
import ray
from ray import tune
from ray.air.integrations.mlflow import MLflowLoggerCallback, setup_mlflow


def logged_by_the_driver(config: dict) -> None:
    tune.report({"loss": config["x"] ** 2})


def logged_by_the_actor(config: dict) -> None:
    uri = config.pop("uri")
    how = {"tracking_uri": uri, "create_experiment_if_not_exists": True}
    setup_mlflow(config, experiment_name="Default", **how)
    mlflow.log_metric("loss", config["x"] ** 2)
    tune.report({"loss": config["x"] ** 2})


uri = os.environ["MLFLOW_TRACKING_URI"]
ray.init(num_cpus=2, include_dashboard=False, object_store_memory=100_000_000)
callback = MLflowLoggerCallback(tracking_uri=uri, experiment_name="tuned", save_artifact=False)
run_config = tune.RunConfig(
    storage_path=str(Path("ray").resolve()), callbacks=[callback], verbose=0
)
space = {"x": tune.grid_search([1, 2])}
tune.Tuner(logged_by_the_driver, param_space=space, run_config=run_config).fit()
plain = tune.RunConfig(storage_path=str(Path("ray").resolve()), verbose=0)
space = {"x": tune.grid_search([1, 2]), "uri": uri}
results = tune.Tuner(logged_by_the_actor, param_space=space, run_config=plain).fit()
ray.shutdown()
assert not results.errors, results.errors
