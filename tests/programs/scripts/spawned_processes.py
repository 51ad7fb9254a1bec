"""Workers of multiprocessing, by each way to start them, and of a process pool."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor


def fluent(number: int) -> None:
    import mlflow

    with mlflow.start_run(run_name=str(number)):
        mlflow.log_metric("number", number)


def client(number: int) -> None:
    from mlflow import MlflowClient

    run = MlflowClient().create_run("0", run_name=str(number))
    MlflowClient().set_terminated(run.info.run_id)


if __name__ == "__main__":
    fluent(0)
    for way in ("spawn", "fork", "forkserver"):
        context = multiprocessing.get_context(way)
        for work in (fluent, client):
            worker = context.Process(target=work, args=(1,))
            worker.start()
            worker.join()
            assert worker.exitcode == 0
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(fluent, range(2)))
