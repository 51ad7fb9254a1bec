"""Each worker of joblib, a process that loky starts, makes a run of its own."""

import joblib
import mlflow


def train(depth: int) -> str:
    with mlflow.start_run(run_name=f"depth-{depth}") as run:
        mlflow.log_param("depth", depth)
    return run.info.run_id


joblib.Parallel(n_jobs=2)(joblib.delayed(train)(depth) for depth in range(3))
joblib.Parallel(n_jobs=2, prefer="threads")(joblib.delayed(train)(depth) for depth in range(2))
