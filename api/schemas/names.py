"""Fields that several schemas share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from marshmallow import ValidationError, fields, validate

DIGEST = r"^sha256:[0-9a-f]{64}$"
_TEXT = r"^[^\x00-\x1f]+$"


def name(longest: int = 256, **kwargs: Any) -> fields.String:
    """A name in MLflow: not empty, no control characters, not over the longest that is known."""
    checks: list[Callable[[str], Any]]
    checks = [validate.Length(1, longest), validate.Regexp(_TEXT), _storable]
    return fields.String(validate=checks, **kwargs)


def _storable(text: str) -> None:
    # Python's `$` lets a line break pass at the end; no database stores half a surrogate pair.
    if text.endswith("\n") or any("\ud800" <= one <= "\udfff" for one in text):
        raise ValidationError("String does not match expected pattern.")


def digest(**kwargs: Any) -> fields.String:
    """`sha256:` and 64 hex digits."""
    return fields.String(validate=validate.Regexp(DIGEST), **kwargs)
