"""Boosting under autologging: the native interface and the one of scikit-learn."""

import mlflow
import xgboost
from sklearn.datasets import load_iris

mlflow.xgboost.autolog()
x, y = load_iris(return_X_y=True)
data = xgboost.DMatrix(x, label=y)
rounds = {"num_boost_round": 3, "evals": [(data, "train")]}
xgboost.train({"objective": "multi:softprob", "num_class": 3}, data, **rounds)
xgboost.XGBClassifier(n_estimators=3).fit(x, y)
