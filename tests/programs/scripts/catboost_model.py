"""Boosting whose model is logged; catboost has no autologging."""

import mlflow
from catboost import CatBoostClassifier
from sklearn.datasets import load_iris

x, y = load_iris(return_X_y=True)
model = CatBoostClassifier(iterations=3, allow_writing_files=False, verbose=False).fit(x, y)
with mlflow.start_run():
    mlflow.catboost.log_model(model, name="model", pip_requirements=["catboost"])
