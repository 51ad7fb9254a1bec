"""Boosting under autologging: the native interface and the one of scikit-learn."""

import lightgbm
import mlflow
from sklearn.datasets import load_iris

mlflow.lightgbm.autolog()
x, y = load_iris(return_X_y=True)
data = lightgbm.Dataset(x, label=y)
settings = {"objective": "multiclass", "num_class": 3, "verbose": -1}
lightgbm.train(settings, data, num_boost_round=3, valid_sets=[data])
lightgbm.LGBMClassifier(n_estimators=3, verbose=-1).fit(x, y)
