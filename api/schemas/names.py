"""Fields that several schemas share."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, validate

DIGEST = r"^sha256:[0-9a-f]{64}$"
_TEXT = r"^[^\x00-\x1f]+$"


def name(**kwargs: Any) -> fields.String:
    """A name in MLflow: not empty, no control characters, 256 characters at the most."""
    checks = [validate.Length(1, 256), validate.Regexp(_TEXT)]
    return fields.String(validate=checks, **kwargs)


def digest(**kwargs: Any) -> fields.String:
    """`sha256:` and 64 hex digits."""
    return fields.String(validate=validate.Regexp(DIGEST), **kwargs)
