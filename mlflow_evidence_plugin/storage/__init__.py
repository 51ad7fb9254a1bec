"""Repositories on SQLAlchemy: append-only, keyed by digest. The only room that knows SQL."""

from .bundles import Bundles, Filters, StoredBundle
from .captures import Capture, Captures
from .database import Database
from .decisions import Decisions
from .tokens import Principal, Tokens

__all__ = [
    "Bundles",
    "Capture",
    "Captures",
    "Database",
    "Decisions",
    "Filters",
    "Principal",
    "StoredBundle",
    "Tokens",
]
