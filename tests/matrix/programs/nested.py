import mlflow

given = {"evidence.team": "given"}
with mlflow.start_run(tags=given):
    for depth in (3, 5):
        with mlflow.start_run(tags=given, nested=True):
            mlflow.log_param("depth", depth)
