"""The contract: how the OpenAPI document is made, and what its views share."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import yaml
from flask import Flask, request
from flask_smorest import Blueprint as SmorestBlueprint
from marshmallow import EXCLUDE, RAISE, Schema
from webargs.flaskparser import FlaskParser
from werkzeug.routing import BaseConverter

from .errors import MEDIA_TYPE
from .schemas import ProblemSchema

View = TypeVar("View", bound=Callable[..., Any])
FILE = Path(__file__).parent.parent / "openapi.yaml"

DESCRIPTION = """\
Evidence about MLflow runs and registered model versions, to be read by people and verified by
machines.

Errors are problem details (RFC 9457) with a stable `code` and, in `mend`, what to do. Times are
UTC, RFC 3339. What a token may not see answers as if it were not there. Every answer has an
`X-Request-Id` (the caller's, where that is sane) and a `traceparent` (W3C) that goes on with the
caller's trace.
"""

SETTINGS: dict[str, Any] = {
    "API_TITLE": "MLflow evidence",
    "API_VERSION": "v1",
    "OPENAPI_VERSION": "3.1.0",
    "MAX_CONTENT_LENGTH": 1 << 20,
    "API_SPEC_OPTIONS": {
        "info": {
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    },
}

PROBLEMS = {
    400: "Malformed request",
    401: "No token, or one that is not valid",
    403: "The token lacks the scope",
    404: "Not there, or not the caller's",
    406: "None of the formats that the request accepts is served",
    409: "Denied, or in conflict with what is there",
    410: "Erased: a signed tombstone says when and why",
    413: "The body is too large",
    422: "Well-formed, but not as described",
    500: "An unexpected error, or a capture that failed for one",
    502: "The tracking store refused the service",
    503: "The tracking store or the database is away; try again",
}


class StrictParser(FlaskParser):
    """Unknown fields are errors: a misspelt filter must not answer with everything."""

    DEFAULT_UNKNOWN_BY_LOCATION = {  # noqa: RUF012 - webargs' own declaration
        "json": RAISE,
        "query": RAISE,
        "headers": EXCLUDE,
    }

    def parse(
        self, argmap: Any, req: Any = None, *, location: str | None = None, **options: Any
    ) -> Any:
        """As webargs', but a query that was understood before is not looked at again."""
        if location != "query":
            return super().parse(argmap, req, location=location, **options)
        return dict(self._query(argmap, request.query_string))

    @lru_cache(256)  # noqa: B019 - of the one parser that there is
    def _query(self, schema: Schema, _query: bytes) -> dict[str, Any]:
        """What the request's query says by a schema: that depends on its text alone."""
        found: dict[str, Any] = super().parse(schema, location="query")
        return found

    def _raw_load_json(self, req: Any) -> Any:
        try:
            return super()._raw_load_json(req)
        except (json.JSONDecodeError, UnicodeDecodeError):
            raise
        except (ValueError, RecursionError) as error:  # beyond Python's limits
            raise json.JSONDecodeError("beyond the limits", "", 0) from error


class Blueprint(SmorestBlueprint):  # type: ignore[misc]
    """flask-smorest's blueprint with strict arguments, whose schemas are made once."""

    ARGUMENTS_PARSER = StrictParser()

    def arguments(self, schema: Any, **options: Any) -> Callable[[View], View]:
        """As flask-smorest's own. A schema class would be instantiated for every request."""
        made = schema() if isinstance(schema, type) else schema
        decorated: Callable[[View], View] = super().arguments(made, **options)
        return decorated


class Name(BaseConverter):
    """Somebody's name for something, in a path: it may have slashes, as `/Users/ana/credit` has."""

    part_isolating = False
    weight = 200  # as that of werkzeug's own for paths: others go first
    longest = 256
    regex = rf".{{1,{longest}}}?"

    @classmethod
    def schema(cls, _: BaseConverter) -> dict[str, Any]:
        """How the contract says it."""
        return {"type": "string", "minLength": 1, "maxLength": cls.longest}


def problems(
    bp: Blueprint, *statuses: int, schema: type[ProblemSchema] = ProblemSchema
) -> Callable[[View], View]:
    """Document the problems that a view may answer with."""
    content = {MEDIA_TYPE: {"schema": schema}}
    responses = {str(s): {"description": PROBLEMS[s], "content": content} for s in statuses}

    def decorate(view: View) -> View:
        documented: View = bp.doc(responses=responses)(view)
        return documented

    return decorate


def document(app: Flask) -> dict[str, Any]:
    """The OpenAPI document of an application."""
    spec: dict[str, Any] = app.extensions["flask-smorest"]["apis"][""]["ext_obj"].spec.to_dict()
    return spec


def as_yaml(app: Flask) -> str:
    """The same as YAML, in a stable order: what openapi.yaml holds and /openapi.yaml serves."""
    plain = _plain(document(app))
    return yaml.safe_dump(plain, sort_keys=True, allow_unicode=True, width=100)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


__all__ = ["FILE", "SETTINGS", "Blueprint", "as_yaml", "document", "problems"]

if __name__ == "__main__":
    from .app import create_app

    FILE.write_text(as_yaml(create_app(None)), "utf-8")
