"""Repositories on SQLAlchemy: append-only, keyed by digest. The only room that knows SQL."""

from .attestations import Attestation, Attestations
from .bundles import Bundles, Captured, StoredBundle
from .captures import Capture, Captures
from .database import Database
from .decisions import Decisions
from .keys import Keys, KnownKey
from .ledger import Ledger, Placed
from .search import Filters, Listing, Page
from .statements import Kept, Statements
from .tokens import Principal, Tokens

__all__ = [
    "Attestation",
    "Attestations",
    "Bundles",
    "Capture",
    "Captured",
    "Captures",
    "Database",
    "Decisions",
    "Filters",
    "Kept",
    "Keys",
    "KnownKey",
    "Ledger",
    "Listing",
    "Page",
    "Placed",
    "Principal",
    "Statements",
    "StoredBundle",
    "Tokens",
]
