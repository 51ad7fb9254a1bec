"""Fields that several schemas share."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timezone
from typing import Any

from marshmallow import ValidationError, fields, validate

from mlflow_evidence_plugin.policy.decision import rfc3339

DIGEST = r"^sha256:[0-9a-f]{64}$"
_INSTANT = re.compile(r"(19[7-9]\d|2\d\d\d)-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$")
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


def time(**kwargs: Any) -> Time:
    """A time with its offset, as RFC 3339 writes it: `2026-05-01T08:00:00Z`."""
    return Time(**kwargs)


class Time(fields.AwareDateTime):
    """Loaded as UTC text with milliseconds, as times are kept."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not (isinstance(value, str) and _INSTANT.match(value)):
            raise self.make_error("invalid", input=value, obj_type=self.OBJ_TYPE)
        found = super()._deserialize(value, attr, data, **kwargs)
        try:
            return rfc3339(found.astimezone(timezone.utc))
        except OverflowError as error:
            raise self.make_error("invalid", input=value, obj_type=self.OBJ_TYPE) from error
