"""Documents as people read them."""

from .summary import decision_rows, summary_rows

__all__ = ["decision_rows", "summary_rows"]
