"""Keras, on PyTorch, with MLflow's callback."""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import mlflow
import numpy as np
from mlflow.keras import MlflowCallback

x, y = np.random.rand(16, 4), np.random.rand(16, 1)
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
model.compile(optimizer="sgd", loss="mse")
with mlflow.start_run():
    model.fit(x, y, epochs=2, verbose=0, callbacks=[MlflowCallback()])
