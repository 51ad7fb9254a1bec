import mlflow
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

# The models that are logged have paths of their own.
mlflow.sklearn.autolog(log_models=False, extra_tags={"evidence.team": "given"})
GridSearchCV(LogisticRegression(max_iter=500), {"C": [0.1, 1.0]}, cv=2).fit(
    *load_iris(return_X_y=True)
)
