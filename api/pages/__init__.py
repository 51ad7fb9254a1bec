"""Pages for people: rendered here, without JavaScript, and closed to whoever has no token."""

from . import evidence, search, sessions
from .blueprint import bp, install

__all__ = ["bp", "evidence", "install", "search", "sessions"]
