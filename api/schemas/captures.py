"""Captures: the order and its state."""

from marshmallow import Schema, fields, validate

from . import names


class CaptureArgs(Schema):
    """Exactly one subject: `run_id`; `model` and `version`; or `model` and `alias`."""

    run_id = names.name(metadata={"description": "a run", "example": "8b1d…"})
    model = names.name(metadata={"description": "a registered model"})
    version = names.name(32, metadata={"description": "a version of the model"})
    alias = names.name(
        metadata={"description": "an alias of the model, resolved when it is captured"}
    )


class CaptureHeaders(Schema):
    """How long the answer may take, and which order it is if it is sent again."""

    prefer = fields.String(
        data_key="Prefer",
        validate=validate.Length(max=200),
        metadata={"description": "`wait=N`: answer when the capture has ended, within N ≤ 30 s"},
    )
    key = fields.String(
        data_key="Idempotency-Key",
        validate=validate.Regexp(r"^[\x21-\x7e]{1,255}$"),
        metadata={
            "description": "the same key with the same body is the same order, for a day; with "
            "another body it is an error"
        },
    )


class CaptureErrorSchema(Schema):
    """Why a capture failed, or is being tried again."""

    code = fields.String(required=True)
    detail = fields.String(required=True)
    mend = fields.String(required=True)


class CaptureSchema(Schema):
    """One order and what became of it."""

    id = fields.String(required=True)
    state = fields.String(
        required=True, validate=validate.OneOf(["accepted", "running", "done", "failed"])
    )
    run_id = fields.String(allow_none=True)
    model = fields.String(allow_none=True)
    version = fields.String(allow_none=True)
    alias = fields.String(allow_none=True)
    attempts = fields.Integer(required=True)
    accepted_at = fields.String(required=True)
    finished_at = fields.String(allow_none=True)
    digest = names.digest(attribute="record_digest", allow_none=True)
    bundle = fields.String(allow_none=True, metadata={"description": "where the evidence is"})
    error = fields.Nested(CaptureErrorSchema, allow_none=True)
