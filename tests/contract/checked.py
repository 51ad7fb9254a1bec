"""A client that holds every answer of the service against openapi.yaml."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from flask import Flask
from jsonschema import Draft202012Validator
from werkzeug.test import TestResponse

CONTRACT = Path(__file__).parent.parent.parent / "openapi.yaml"
PROBLEM = "application/problem+json"
BESIDE = ("/openapi.yaml", "/docs")
"""Served, and no part of the contract: the contract itself and the page to read it on."""


@cache
def contract() -> dict[str, Any]:
    return yaml.safe_load(CONTRACT.read_text("utf-8"))


SLASHED = ("/v1/experiments/{name}/history", "/v1/tickets/{key}/bundles")
"""Where a name may have slashes."""


def operations() -> list[tuple[str, str]]:
    """Every operation of the contract: its method and the template of its path."""
    methods = {"get", "post", "put", "patch", "delete"}
    return [(m, path) for path, item in contract()["paths"].items() for m in item if m in methods]


def operation_of(method: str, path: str) -> dict[str, Any] | None:
    """The contract's word on a request; None for a path or method that it does not know."""
    for known, template in operations():
        inside = ".+" if template in SLASHED else "[^/]+"
        pattern = re.sub(r"\\\{\w+\\\}", inside, re.escape(template))
        if known == method.lower() and re.fullmatch(pattern, path):
            return contract()["paths"][template][known]
    return None


def wrong_with(answer: TestResponse) -> str | None:
    """What in an answer is not as the contract says; None when all of it is."""
    method, path = answer.request.method, answer.request.path
    operation = operation_of(method, path)
    if operation is None:
        known = answer.mimetype == PROBLEM and answer.status_code in (308, 400, 404, 405)
        return None if known else f"undocumented: {method} {path}"
    documented = operation["responses"].get(str(answer.status_code))
    if documented is None:
        return f"undocumented status {answer.status_code} of {method} {path}: {answer.text}"
    content = documented.get("content", {})
    if not content:
        return f"a body where none is documented: {answer.text}" if answer.data else None
    if answer.mimetype not in content:
        return f"undocumented content type {answer.mimetype} of {method} {path}"
    schema = {**content[answer.mimetype]["schema"], "components": contract()["components"]}
    instance = answer.json if answer.is_json else answer.data.decode("latin-1")
    found = next(Draft202012Validator(schema).iter_errors(instance), None)
    return found and f"{method} {path}: {found.json_path}: {found.message}"


class Client:
    """Flask's test client with a token; an answer that breaks the contract fails the test."""

    def __init__(self, app: Flask, token: str | None) -> None:
        self.app, self.token = app, token

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.open("GET", path, **options)

    def post(self, path: str, json: Any = None, **options: Any) -> TestResponse:
        return self.open("POST", path, **({} if json is None else {"json": json}), **options)

    def open(self, method: str, path: str, **options: Any) -> TestResponse:
        headers = dict(options.pop("headers", {}))
        if self.token is not None:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        answer = self.app.test_client().open(path, method=method, headers=headers, **options)
        if not answer.request.path.startswith(BESIDE):
            wrong = wrong_with(answer)
            assert wrong is None, wrong
        if answer.status_code >= 400:
            assert answer.json["status"] == answer.status_code
            assert "Traceback" not in answer.text
        return answer

    def capture(self, **subject: str) -> TestResponse:
        """Capture, and wait: in these tests the worker works within the request."""
        return self.post("/v1/captures", subject, headers={"Prefer": "wait=1"})
