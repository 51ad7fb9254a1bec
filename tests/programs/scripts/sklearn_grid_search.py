"""A parameter search under autologging, its workers in processes of their own."""

import mlflow
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

mlflow.sklearn.autolog(max_tuning_runs=4)
x, y = load_iris(return_X_y=True)
GridSearchCV(DecisionTreeClassifier(), {"max_depth": [1, 2, 3]}, cv=2, n_jobs=2).fit(x, y)
with mlflow.start_run():
    depths = {"max_depth": [1, 2, 3, 4]}
    RandomizedSearchCV(DecisionTreeClassifier(), depths, n_iter=2, cv=2, random_state=0).fit(x, y)
make_pipeline(StandardScaler(), DecisionTreeClassifier()).fit(x, y)
