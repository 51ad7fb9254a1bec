"""Ignite's logger."""

import torch
from ignite.engine import Engine, Events
from ignite.handlers.mlflow_logger import MLflowLogger

torch.set_num_threads(1)
trainer = Engine(lambda engine, batch: float(batch))
logger = MLflowLogger()
logger.log_params({"seed": 1})
logger.attach_output_handler(
    trainer,
    event_name=Events.ITERATION_COMPLETED,
    tag="training",
    output_transform=lambda loss: {"loss": loss},
)
trainer.run([1.0, 2.0], max_epochs=1)
logger.close()
