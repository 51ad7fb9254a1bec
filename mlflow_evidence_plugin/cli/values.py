"""Values of options: times, numbers of bytes, and files that are to be written."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import click


def instant(said: object) -> str:
    """A time as people write it, in UTC where it does not say, as we keep it. ValueError.

    A date alone is the start of that day.
    """
    found = datetime.fromisoformat(str(said).replace("Z", "+00:00"))  # YAML may have read it
    told = found if found.tzinfo else found.replace(tzinfo=timezone.utc)
    utc = told.astimezone(timezone.utc).replace(tzinfo=None)
    return utc.isoformat(timespec="milliseconds") + "Z"


class InstantType(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4 only
    """A time or a date, as RFC 3339 text in UTC."""

    name = "time"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text; a usage error that names the option and the forms otherwise."""
        try:
            return instant(value)
        except (ValueError, OverflowError):
            forms = "2026-12-01T18:00:00Z, or 2026-12-01 for the start of that day in UTC"
            self.fail(f"{value!r} is no time: write it as {forms}", param, ctx)


class BytesType(click.IntRange):
    """A number of bytes, 0 or more."""

    name = "bytes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number; a usage error that says the form otherwise."""
        try:
            number: int = super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value!r} is no number of bytes: 10000000 is 10 MB", param, ctx)
        return number


class TargetType(click.Path):
    """A file that is to be written: its folder is looked at before anything is asked."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path; a usage error that names a folder which is not there."""
        path = super().convert(value, param, ctx)
        folder = Path(str(path)).parent
        if not folder.is_dir():
            self.fail(f"there is no folder {folder}", param, ctx)
        return path


INSTANT = InstantType()
BYTES = BytesType(0)
TARGET = TargetType(path_type=Path, dir_okay=False)
