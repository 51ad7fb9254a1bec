"""The project's main program: starts another project, and goes on."""

import sys

import mlflow

with mlflow.start_run():
    mlflow.log_param("given", sys.argv[1])
    mlflow.projects.run("child", env_manager="local", synchronous=True)
    with mlflow.start_run(nested=True):
        mlflow.log_metric("loss", 1.0)
