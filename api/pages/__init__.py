"""Pages for people: rendered here, without JavaScript, and closed to whoever has no token."""

from . import comparison, evidence, inventory, search, sessions
from .blueprint import bp, install

__all__ = ["bp", "comparison", "evidence", "install", "inventory", "search", "sessions"]
