"""What the views of webhooks share: how a body is read once it is verified, and the contract."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify
from marshmallow import Schema, ValidationError

from mlflow_evidence_plugin.errors import BadInput

from ..schemas import AcceptedSchema
from .signatures import Verified, parsed


def signed_by(scheme: str) -> list[dict[str, list[str]]]:
    """How an operation says in the contract which signature it needs."""
    return [{scheme: []}]


def header(name: str, said: str) -> dict[str, Any]:
    """How the contract says of a signature which header it stands in."""
    return {"type": "apiKey", "in": "header", "name": name, "description": said}


def body(schema: type[Schema]) -> dict[str, Any]:
    """A body in the contract that the view reads by itself: after its signature."""
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def payload(schema: Schema, found: Verified) -> dict[str, Any]:
    """What a verified body says; BadInput."""
    try:
        loaded: dict[str, Any] = schema.load(parsed(found))
    except ValidationError as error:
        lacking = ", ".join(sorted(map(str, error.messages_dict)))
        said = f"the webhook is not as described: {lacking}"
        mend = "see /docs for what is expected, and send the event that is named there"
        raise BadInput(said, mend) from None
    return loaded


def told(status: str) -> Response:
    """The answer to a webhook: the verdict itself comes later, by another way."""
    response = jsonify(AcceptedSchema().dump({"status": status}))
    response.status_code = 202 if status == "accepted" else 200
    return response
