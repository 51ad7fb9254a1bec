"""Secrets in what training code logged: found, reported, and never copied into evidence."""

from .mask import masked
from .observer import TEXT_LIMIT, TextObserver

__all__ = ["TEXT_LIMIT", "TextObserver", "masked"]
