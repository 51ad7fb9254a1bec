"""Repositories on SQLAlchemy: append-only, keyed by digest. The only room that knows SQL."""

from .bundles import Bundles, Captured, StoredBundle
from .captures import Capture, Captures
from .database import Database
from .decisions import Decisions
from .search import Filters, Listing, Page
from .tokens import Principal, Tokens

__all__ = [
    "Bundles",
    "Capture",
    "Captured",
    "Captures",
    "Database",
    "Decisions",
    "Filters",
    "Listing",
    "Page",
    "Principal",
    "StoredBundle",
    "Tokens",
]
