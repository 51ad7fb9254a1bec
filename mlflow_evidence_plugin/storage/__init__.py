"""Repositories on SQLAlchemy: append-only, keyed by digest. The only room that knows SQL."""

from .approvals import Approvals, Entry, Said
from .attestations import Attestation, Attestations
from .bundles import Bundles, Captured, StoredBundle
from .captures import Capture, Captures
from .database import Database
from .decisions import Decisions
from .deliveries import Deliveries, Owed, Pushes
from .erasures import Erasure, Erasures
from .holdings import Held, Holdings
from .keys import Keys, KnownKey
from .ledger import Ledger, Placed
from .search import Filters, Listing, Page, View
from .standing import Standing, Stands
from .statements import Kept, Statements
from .tickets import Tickets
from .tokens import Principal, Tokens

__all__ = [
    "Approvals",
    "Attestation",
    "Attestations",
    "Bundles",
    "Capture",
    "Captured",
    "Captures",
    "Database",
    "Decisions",
    "Deliveries",
    "Entry",
    "Erasure",
    "Erasures",
    "Filters",
    "Held",
    "Holdings",
    "Kept",
    "Keys",
    "KnownKey",
    "Ledger",
    "Listing",
    "Owed",
    "Page",
    "Placed",
    "Principal",
    "Pushes",
    "Said",
    "Standing",
    "Stands",
    "Statements",
    "StoredBundle",
    "Tickets",
    "Tokens",
    "View",
]
