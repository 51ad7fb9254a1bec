"""Benchmarks: ours and its peers side by side, in one run. See README.md here."""

import os

# Before any module here imports mlflow; the processes that are started inherit them or set them.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
