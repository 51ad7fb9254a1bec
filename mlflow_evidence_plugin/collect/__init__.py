"""MLflow to snapshot. The only room that knows mlflow; it writes nothing."""

from .locations import Roots
from .store import MlflowStore

__all__ = ["MlflowStore", "Roots"]
