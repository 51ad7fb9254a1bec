"""MLflow to snapshot. The only room that knows mlflow; it writes nothing but what `writing` has."""

from .artifacts import Unreadable
from .backlog import Backlog, Bare, Place
from .catalogue import Catalogue, StoredFile
from .census import Census, Listed
from .fetching import Fetching, Wanted
from .locations import Roots
from .store import MlflowStore, RegisteredVersion
from .writing import Writer

__all__ = [
    "Backlog",
    "Bare",
    "Catalogue",
    "Census",
    "Fetching",
    "Listed",
    "MlflowStore",
    "Place",
    "RegisteredVersion",
    "Roots",
    "StoredFile",
    "Unreadable",
    "Wanted",
    "Writer",
]
