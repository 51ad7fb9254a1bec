"""Skorch's logger, which is given a run and a client."""

import numpy as np
import torch
from mlflow.tracking import MlflowClient
from skorch import NeuralNetRegressor
from skorch.callbacks import MlflowLogger

torch.set_num_threads(1)
client = MlflowClient()
experiment = client.get_experiment_by_name("Default")
run = client.create_run(experiment.experiment_id)
logger = MlflowLogger(run, client, create_artifact=False)
x, y = np.random.rand(16, 4).astype("float32"), np.random.rand(16, 1).astype("float32")
net = NeuralNetRegressor(torch.nn.Linear(4, 1), max_epochs=2, callbacks=[logger], verbose=0)
net.fit(x, y)
