"""MLflow to snapshot. The only room that knows mlflow; it writes nothing."""

from .artifacts import Unreadable
from .catalogue import Catalogue, StoredFile
from .locations import Roots
from .store import MlflowStore, RegisteredVersion

__all__ = ["Catalogue", "MlflowStore", "RegisteredVersion", "Roots", "StoredFile", "Unreadable"]
