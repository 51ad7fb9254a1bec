"""Runs and a model in the double, as people who train there make them."""

from __future__ import annotations

from types import SimpleNamespace

MODEL = "credit"
FILES = {
    "a b/größe.txt": "five\n",
    "model/MLmodel": "artifact_path: model\n",
    "model/sub/weights.bin": "\0\1" * 100_000,
    "model2/MLmodel": "begins like the other\n",
    "top.txt": "",
}
MODEL_FILES = {"MLmodel", "sub/weights.bin"}


def populate(uri: str, folder) -> SimpleNamespace:
    """Ids by what is odd about them. Versions: of a run, again, of a run that is gone, local."""
    import mlflow

    mlflow.set_tracking_uri(uri)
    client = mlflow.MlflowClient(uri)
    experiment = client.create_experiment("credit")
    tags = {"evidence.owner": "ana", "evidence.azureml.job": "https://ml.azure.com/runs/x?wsid=y"}
    made = [client.create_run(experiment, tags=tags).info for _ in range(2)]
    finished, running = (one.run_id for one in made)
    for run_id in (finished, running):
        for step in range(3):
            client.log_metric(run_id, "auc", 0.5 + step / 10, step=step)
        client.log_param(run_id, "depth", 3)
    for path, text in FILES.items():
        client.log_text(finished, text, path)
    client.set_terminated(finished)
    client.create_registered_model(MODEL)
    source = f"{made[0].artifact_uri}/model"
    for run_id in (finished, finished, None):
        client.create_model_version(MODEL, source, run_id, await_creation_for=0)
    (folder / "MLmodel").write_text("m")
    (folder / "sub").mkdir()
    (folder / "sub" / "weights.bin").write_text("w")
    client.create_model_version(MODEL, folder.as_uri(), await_creation_for=0)
    client.set_registered_model_alias(MODEL, "champion", "2")
    return SimpleNamespace(finished=finished, running=running)
