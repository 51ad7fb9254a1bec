import os

from mlflow import MlflowClient

client = MlflowClient()
experiment = os.environ["MLFLOW_EXPERIMENT_ID"]
run = client.create_run(experiment, tags={"evidence.team": "given"})
client.log_metric(run.info.run_id, "auc", 0.9)
client.set_terminated(run.info.run_id)
