"""Predictions are evaluated, the machine's own metrics are logged beside it."""

import mlflow
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

frame = load_iris(as_frame=True).frame
inputs = frame.drop(columns="target")
frame["said"] = LogisticRegression(max_iter=200).fit(inputs, frame["target"]).predict(inputs)
how = {"targets": "target", "predictions": "said", "model_type": "classifier"}
with mlflow.start_run():
    mlflow.evaluate(data=frame, **how)
mlflow.evaluate(data=frame, **how)
with mlflow.start_run(log_system_metrics=True):
    mlflow.log_metric("auc", 0.9)
