"""Policies: the one in force, and what another would have blocked."""

from marshmallow import Schema, fields, validate

from . import names
from .decisions import ReasonSchema

LIMIT = 500


class PolicySchema(Schema):
    """The policy in force. Its digest is that of its canonical JSON."""

    digest = names.digest(required=True)
    policy = fields.Dict(required=True)


class ExplainArgs(Schema):
    """Which environment of the policy, and over which evidence."""

    environment = names.name(
        64, metadata={"description": "may be left out if the policy has only one"}
    )
    model = names.name(metadata={"description": "of this model only"})
    since = names.time(metadata={"description": "first captured at this time or later"})
    limit = fields.Integer(
        load_default=LIMIT,
        validate=validate.Range(1, LIMIT),
        metadata={"description": "how much evidence is looked at, at the most"},
    )
    cursor = names.name(64, metadata={"description": "`next` of the page before"})


class RuleCountSchema(Schema):
    """How often a rule passed, failed, or could not be told from history."""

    rule = fields.String(required=True)
    severity = fields.String(required=True, validate=validate.OneOf(["block", "warn"]))
    passed = fields.Integer(required=True)
    failed = fields.Integer(required=True)
    untold = fields.Integer(required=True)


class BlockedSchema(Schema):
    """Evidence that the policy would have blocked, and why."""

    digest = names.digest(required=True)
    subject = fields.String(required=True)
    captured_at = fields.String(required=True)
    reasons = fields.List(fields.Nested(ReasonSchema), required=True)


class ExplainedSchema(Schema):
    """A page of a dry run: counts, and what would have been blocked."""

    policy = names.digest(required=True)
    environment = fields.String(required=True)
    looked_at = fields.Integer(required=True)
    passed = fields.Integer(required=True)
    blocked = fields.Integer(required=True)
    undecided = fields.Integer(required=True)
    rules = fields.List(fields.Nested(RuleCountSchema), required=True)
    items = fields.List(fields.Nested(BlockedSchema), required=True)
    next = fields.String(required=True, allow_none=True)
