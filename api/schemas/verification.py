"""Verification: what was checked, and what was not proven."""

from marshmallow import Schema, fields, validate

from . import names


class VerifyArgs(Schema):
    """What the caller insists on; only an archive can answer it."""

    subject = names.name(600, metadata={"description": "models/NAME/VERSION or runs/ID"})
    decision = names.name(
        64, metadata={"description": "an environment in which the newest verdict must be a pass"}
    )


class CheckSchema(Schema):
    """One thing that was checked."""

    name = fields.String(required=True)
    passed = fields.Boolean(required=True)
    detail = fields.String(required=True)
    code = fields.String(allow_none=True, required=True)


class ReportSchema(Schema):
    """Every check, also after one has failed. `passed` is true only if all of them hold."""

    passed = fields.Boolean(required=True)
    completeness = fields.String(
        required=True, validate=validate.OneOf(["witnessed", "unwitnessed"])
    )
    checks = fields.List(fields.Nested(CheckSchema), required=True)
    unproven = fields.List(fields.String(), required=True)
