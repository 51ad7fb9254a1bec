"""Governance context on every MLflow run, and verifiable evidence about runs and models.

Importing this package has no effects; MLflow finds the plugin through its entry points.
"""
