import multiprocessing
import sys

import mlflow


def create(_):
    with mlflow.start_run(tags={"evidence.team": "given"}):
        mlflow.log_metric("auc", 0.9)


def resume(run_id):
    with mlflow.start_run(run_id=run_id):
        mlflow.log_metric("auc", 0.9)


if __name__ == "__main__":
    spawn = multiprocessing.get_context("spawn")
    children = [spawn.Process(target=create, args=(0,))]
    children.append(spawn.Process(target=resume, args=(sys.argv[1],)))
    for child in children:
        child.start()
    for child in children:
        child.join()
    sys.exit(max(child.exitcode for child in children))
