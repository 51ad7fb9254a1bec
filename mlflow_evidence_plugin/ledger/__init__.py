"""An append-only Merkle log of statements: pure, so that a verifier can use it offline."""

from .checkpoint import Checkpoint
from .count import Count, count_name
from .leaf import Leaf, subject_digest
from .proof import check_consistency, check_inclusion

__all__ = [
    "Checkpoint",
    "Count",
    "Leaf",
    "check_consistency",
    "check_inclusion",
    "count_name",
    "subject_digest",
]
