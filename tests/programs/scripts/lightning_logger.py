"""Lightning's logger, which talks to `MlflowClient` and never to the fluent interface."""

import os

import torch
from pytorch_lightning import Trainer
from pytorch_lightning.demos.boring_classes import BoringModel
from pytorch_lightning.loggers import MLFlowLogger

torch.set_num_threads(1)
quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
limits = {"max_epochs": 1, "limit_train_batches": 2, "limit_val_batches": 1, "accelerator": "cpu"}
logger = MLFlowLogger(experiment_name="boring", tracking_uri=os.environ["MLFLOW_TRACKING_URI"])
Trainer(logger=logger, log_every_n_steps=1, **limits, **quiet).fit(BoringModel())
resumed = MLFlowLogger(run_id=logger.run_id, tracking_uri=os.environ["MLFLOW_TRACKING_URI"])
Trainer(logger=resumed, log_every_n_steps=1, **limits, **quiet).fit(BoringModel())
