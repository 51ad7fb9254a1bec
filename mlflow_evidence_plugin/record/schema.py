"""The record's JSON Schema (draft 2020-12), and the check of a document against it."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from ..errors import BadRecord

RECORD_V1 = "https://mlflow-evidence.dev/record/v1"


@cache
def record_schema() -> dict[str, Any]:
    """The published schema, as a document."""
    text = (files(__package__) / "record.v1.schema.json").read_text("utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


@cache
def _validator() -> Any:
    from jsonschema_rs import Draft202012Validator

    return Draft202012Validator(record_schema())


def check(document: Any) -> None:
    """BadRecord with the first thing that is wrong, and where."""
    try:
        wrong = next(iter(_validator().iter_errors(document)), None)
    except ValueError as error:
        raise BadRecord("nested too deeply for a record, or with text that is none") from error
    if wrong is not None:
        where = "/".join(map(str, wrong.instance_path)) or "the document"
        raise BadRecord(f"not a record: {where}: {wrong.message[:300]}")
