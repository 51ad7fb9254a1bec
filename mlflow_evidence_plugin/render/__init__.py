"""Documents as people read them, and every format that evidence is served in.

`RENDERERS` is in `formats`; it is not imported here, since `summary_rows` is used where neither
Jinja nor matplotlib is installed.
"""

from .summary import decision_rows, summary_rows

__all__ = ["decision_rows", "summary_rows"]
