"""Lightning on two spawned processes, of which the first one logs."""

import torch
from pytorch_lightning import Trainer
from pytorch_lightning.demos.boring_classes import BoringModel
from pytorch_lightning.loggers import MLFlowLogger

if __name__ == "__main__":
    torch.set_num_threads(1)
    quiet = {"enable_progress_bar": False, "enable_model_summary": False}
    limits = {"max_epochs": 1, "limit_train_batches": 2, "limit_val_batches": 1}
    Trainer(
        accelerator="cpu",
        devices=2,
        strategy="ddp_spawn",
        logger=MLFlowLogger(experiment_name="spawned"),
        log_every_n_steps=1,
        enable_checkpointing=False,
        **limits,
        **quiet,
    ).fit(BoringModel())
