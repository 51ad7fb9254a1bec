"""Decisions: what is asked of a gate, and what it answers."""

from marshmallow import Schema, fields, validate

from . import names


class DecisionArgs(Schema):
    """Which environment, how to answer, and what the caller insists on."""

    environment = names.name(
        64, metadata={"description": "may be left out if the policy has only one"}
    )
    enforce = fields.Boolean(
        load_default=False, metadata={"description": "answer a denial with 409, not 200"}
    )
    digest = names.digest(metadata={"description": "deny unless the evidence is this record"})
    policy = names.digest(metadata={"description": "deny unless this policy is in force"})


class ReasonSchema(Schema):
    """Why: what was found, what was asked, and how to mend it."""

    code = fields.String(required=True)
    found = fields.String(required=True)
    asked = fields.String(required=True)
    mend = fields.String(required=True)


class WaivedSchema(ReasonSchema):
    """A failure that somebody answers for: who, why, and until when."""

    by = fields.String(required=True)
    reason = fields.String(required=True)
    expires_at = fields.String(required=True)
    waiver = names.digest(required=True)


class DecisionSchema(Schema):
    """A verdict, flat, with the words that each consumer looks for."""

    allowed = fields.Boolean(required=True)
    status = fields.String(required=True, validate=validate.OneOf(["passed", "failed", "pending"]))
    result = fields.String(required=True, validate=validate.OneOf(["succeeded", "failed"]))
    state = fields.String(required=True, validate=validate.OneOf(["approved", "rejected"]))
    reasons = fields.List(fields.Nested(ReasonSchema), required=True)
    warnings = fields.List(fields.Nested(ReasonSchema), required=True)
    store = fields.String(required=True)
    subject = fields.String(required=True)
    resolved_at = fields.String(required=True)
    environment = fields.String(required=True)
    record = names.digest(required=True, allow_none=True)
    release = names.digest(required=True, allow_none=True)
    decision = names.digest(required=True)
    policy = names.digest(required=True)
    evaluated_at = fields.String(required=True)
    expires_at = fields.String(required=True)
    baselines = fields.Dict(keys=fields.String(), values=fields.String(), required=True)
    details_url = fields.String(required=True, allow_none=True)
    waived = fields.List(fields.Nested(WaivedSchema), required=True)
