"""Approvals and waivers: what is asked, and what is told of them."""

from marshmallow import Schema, fields, validate

from . import names
from .decisions import DecisionSchema

_COMMENT = {"description": "why, in one line of at most 1,000 characters"}


class ApprovalArgs(Schema):
    """What somebody decides about the release that a bundle is evidence of."""

    role = names.name(64, required=True, metadata={"description": "one of the token's roles"})
    decision = fields.String(required=True, validate=validate.OneOf(["approved", "rejected"]))
    approver = names.name(
        metadata={
            "description": "whom an integration speaks for; `claimed`, unless its token has the "
            "scope act-for-others. Left out: the token's principal"
        }
    )
    comment = names.name(1000, metadata=_COMMENT)
    ticket = names.name()
    expires_at = names.time(metadata={"description": "until when it counts; left out: no end"})


class RevocationArgs(Schema):
    """Take an entry back. It stays in the log, and no longer counts."""

    comment = names.name(1000, metadata=_COMMENT)


class ApprovalSchema(Schema):
    """An entry, as it was signed. `statement` is the digest of the signed statement."""

    statement = names.digest(required=True)
    approver = fields.String(required=True)
    role = fields.String(required=True)
    basis = fields.String(required=True, validate=validate.OneOf(["observed", "claimed"]))
    decision = fields.String(
        required=True, validate=validate.OneOf(["approved", "rejected", "revoked"])
    )
    release = names.digest(required=True)
    at = fields.String(required=True)
    expires_at = fields.String(allow_none=True, required=True)
    ticket = fields.String(allow_none=True, required=True)
    comment = fields.String(allow_none=True, required=True)
    relayed_by = fields.String(allow_none=True, required=True)
    revokes = names.digest(allow_none=True, required=True)


class WaiverArgs(Schema):
    """Answer for the failure of one rule, in one environment, for a time."""

    environment = names.name(64, required=True)
    rule = names.name(
        4000,
        required=True,
        metadata={"description": "a rule's name; with its options where there are several of it"},
    )
    reason = names.name(1000, required=True)
    expires_at = names.time(required=True, metadata={"description": "366 days away at the most"})
    ticket = names.name()


class WaiverSchema(Schema):
    """A waiver, as it was signed. It counts for this release and rule alone."""

    statement = names.digest(required=True)
    rule = fields.String(required=True)
    environment = fields.String(required=True)
    release = names.digest(required=True)
    by = fields.String(required=True)
    reason = fields.String(required=True)
    at = fields.String(required=True)
    expires_at = fields.String(required=True)
    ticket = fields.String(allow_none=True, required=True)


_STATE = validate.OneOf(["in-force", "revoked", "expired", "of-earlier-evidence", "before-erasure"])


class KnownApprovalSchema(ApprovalSchema):
    """An entry, and whether it counts for the evidence that was asked for."""

    state = fields.String(required=True, validate=_STATE)


class KnownWaiverSchema(WaiverSchema):
    """A waiver, and whether it counts for the evidence that was asked for."""

    state = fields.String(required=True, validate=_STATE)


class EntriesSchema(Schema):
    """All that people have said about a subject, in the order of the log."""

    approvals = fields.List(fields.Nested(KnownApprovalSchema), required=True)
    waivers = fields.List(fields.Nested(KnownWaiverSchema), required=True)


class DecisionsArgs(Schema):
    """Which verdicts: the newest first."""

    environment = names.name(64)
    limit = fields.Integer(load_default=50, validate=validate.Range(1, 200))
    cursor = fields.String(validate=validate.Regexp(r"^[0-9]{1,18}$"))


class DecisionsPage(Schema):
    """Verdicts that were made, the newest first. `next` is the cursor of the next page."""

    items = fields.List(fields.Nested(DecisionSchema), required=True)
    next = fields.String(allow_none=True, required=True)
