"""Which model version a consumer means: the consumers file says it, for each place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from mlflow_evidence_plugin.policy.decision import Reason
from mlflow_evidence_plugin.storage import Principal

from ..schemas import names
from .asking import Question, Verdict, refused
from .options import Options

LONGEST = 256
"""Characters of a field that is read: what is longer names no version."""

_SHAPES = {"model": r"[\w.-]{1,128}", "version": r"[0-9]{1,18}", "alias": r"[\w.-]{1,128}"}
_NAME = re.compile(r"\{(\w+)\}")


class Template:
    """`credit-v{version}`: what a field must look like as a whole, and what is read from it."""

    def __init__(self, text: str) -> None:
        parts = _NAME.split(text)
        self.names = tuple(parts[1::2])
        unknown = set(self.names) - set(_SHAPES)
        if unknown or not self.names or len(set(self.names)) != len(self.names):
            raise ValidationError("Takes {model}, {version} and {alias}, each once at the most.")
        if any(not between for between in parts[2:-1:2]):
            raise ValidationError("Two names need something between them.")
        shape = "".join(
            f"(?P<{one}>{_SHAPES[one]})" if number % 2 else re.escape(one)
            for number, one in enumerate(parts)
        )
        self._shape = re.compile(shape, re.ASCII)

    def read(self, text: str) -> dict[str, str] | None:
        """What a text holds; None for one that does not look so."""
        found = self._shape.fullmatch(text) if len(text) <= LONGEST else None
        return found.groupdict() if found else None


class ReadOptions(Options):
    """A field of the payload, and what it must look like."""

    field = fields.String(required=True)
    shape = fields.String(data_key="as", required=True, validate=Template)


class CheckOptions(Options):
    """What is asked for one place. `model` and `version` or `alias`: named here, or read."""

    model = names.name()
    version = fields.String(validate=validate.Regexp(r"^[0-9]{1,18}$"))
    alias = names.name()
    policy_environment = names.name(64, required=True)
    read = fields.Nested(ReadOptions)

    @validates_schema
    def _one_subject(self, data: dict[str, Any], **_: Any) -> None:
        read = Template(data["read"]["shape"]).names if "read" in data else ()
        told = [name for name in ("model", "version", "alias") if name in data] + list(read)
        if sorted(told) not in (["model", "version"], ["alias", "model"]):
            raise ValidationError("Name, or read, a model and either its version or an alias.")


@dataclass(frozen=True)
class Check:
    """One place that a consumer deploys to, and what is asked for it."""

    place: tuple[str, ...]
    environment: str
    told: Mapping[str, str]
    field: str | None = None
    template: Template | None = None

    @classmethod
    def of(cls, options: Mapping[str, Any], keys: Iterable[str]) -> Check:
        """From the file; `keys` are the options that say which place it is."""
        read = options.get("read")
        return cls(
            place(*(options[key] for key in keys)),
            options["policy_environment"],
            {name: options[name] for name in ("model", "version", "alias") if name in options},
            read["field"] if read else None,
            Template(read["shape"]) if read else None,
        )

    def question(self, payload: Mapping[str, Any], caller: Principal) -> Question | Verdict:
        """What is asked about this payload; a denial where it does not say."""
        told = dict(self.told)
        if self.template is not None and self.field is not None:
            value = payload.get(self.field)
            text = value if isinstance(value, str) else ""
            found = self.template.read(text)
            if found is None:
                return self._unread(text)
            told |= found
        return Question(
            told["model"], told.get("version"), told.get("alias"), self.environment, caller
        )

    def _unread(self, text: str) -> Verdict:
        reason: Reason = {
            "code": "no-subject",
            "found": f"{self.field} {text[:LONGEST]!r}",
            "asked": "a model version named in it, as the consumers file says",
            "mend": "name it so, or mend `read` in the consumers file",
        }
        return refused("unknown", self.environment, reason)


def place(*names_: str) -> tuple[str, ...]:
    """A place, to compare with: forges do not tell upper from lower case in a project's path."""
    return (names_[0].casefold(), *names_[1:])


def by_place(checks: Iterable[Check]) -> dict[tuple[str, ...], Check]:
    """The checks, each place once; ValidationError."""
    found: dict[tuple[str, ...], Check] = {}
    for one in checks:
        if one.place in found:
            raise ValidationError(f"{' / '.join(one.place)} stands twice.")
        found[one.place] = one
    return found


def unknown_place(*names_: str) -> Verdict:
    """A denial: nobody has said which model is deployed there."""
    reason: Reason = {
        "code": "not-configured",
        "found": " / ".join(one[:LONGEST] for one in names_),
        "asked": "a place that the consumers file names",
        "mend": "add it there, with the model that is deployed to it",
    }
    return refused("unknown", None, reason)
