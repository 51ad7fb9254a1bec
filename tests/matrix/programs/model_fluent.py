import mlflow
from sklearn.linear_model import LogisticRegression

given = {"evidence.team": "given"}
mlflow.initialize_logged_model(name="empty", tags=given)
with mlflow.start_run(tags=given):
    model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    # With requirements that are named, mlflow does not look for them in yet another process.
    mlflow.sklearn.log_model(model, name="model", tags=given, pip_requirements=["scikit-learn"])
