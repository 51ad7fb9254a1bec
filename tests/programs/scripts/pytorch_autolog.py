"""Lightning under MLflow's autologging."""

import mlflow
import torch
from pytorch_lightning import Trainer
from pytorch_lightning.demos.boring_classes import BoringModel

torch.set_num_threads(1)
mlflow.pytorch.autolog(log_models=False)
quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
limits = {"max_epochs": 1, "limit_train_batches": 2, "limit_val_batches": 1, "accelerator": "cpu"}
Trainer(logger=False, **limits, **quiet).fit(BoringModel())
