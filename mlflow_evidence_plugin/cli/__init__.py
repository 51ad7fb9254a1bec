"""`mlflow-evidence`: against the service, or straight on a tracking store."""
