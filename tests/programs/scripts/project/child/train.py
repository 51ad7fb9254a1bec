"""The inner project's program: it logs without ever starting a run."""

import mlflow

mlflow.log_metric("loss", 0.5)
