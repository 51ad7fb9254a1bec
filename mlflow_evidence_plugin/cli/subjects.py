"""How a subject is written on the command line."""

from __future__ import annotations

import re

import click

FORMS = "runs/ID, models/NAME/VERSION or models/NAME@ALIAS"
_RUN = re.compile(r"runs/(?P<run_id>[^/]+)")
_VERSION = re.compile(r"models/(?P<model>[^/]+)/(?P<version>[^/]+)")
_ALIAS = re.compile(r"models/(?P<model>[^/]+)@(?P<alias>[^/@]+)")  # an @ in a name is legal


class SubjectType(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4 only
    """`runs/ID`, `models/NAME/VERSION` or `models/NAME@ALIAS`, as a dict of its parts."""

    name = "subject"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> dict[str, str]:
        """The parts; a usage error that names the forms otherwise."""
        for form in (_RUN, _VERSION, _ALIAS):
            found = form.fullmatch(value)
            if found:
                return found.groupdict()
        self.fail(f"{value!r} is no subject: write {FORMS}", param, ctx)


SUBJECT = SubjectType()
