import multiprocessing
import os
import sys

import mlflow

given = {"evidence.team": "given"}


def train(_):
    with mlflow.start_run(tags=given, nested=True):
        mlflow.log_metric("auc", 0.9)


with mlflow.start_run(tags=given):
    pass
with multiprocessing.get_context("fork").Pool(2) as pool:
    pool.map(train, range(2), chunksize=1)
child = os.fork()
if child == 0:
    train(0)
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
