"""The REST service: a Flask application over `mlflow_evidence_plugin`'s use cases."""
