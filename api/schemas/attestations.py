"""Statements of others about evidence that we have."""

from marshmallow import Schema, fields, validate

from . import names


class AttestationSchema(Schema):
    """One statement that came in, and whether it counts."""

    digest = names.digest(
        required=True, metadata={"description": "SHA-256 of the envelope in its compact form"}
    )
    record = names.digest(
        required=True, attribute="record_digest", metadata={"description": "what it is about"}
    )
    predicate_type = fields.String(required=True)
    state = fields.String(
        required=True,
        validate=validate.OneOf(["trusted", "quarantined"]),
        metadata={"description": "quarantined: its signer is unknown, or may not state this"},
    )
    signer = fields.String(allow_none=True, required=True)
    key_id = fields.String(allow_none=True, required=True)
    received_at = fields.String(required=True)
    received_by = fields.String(required=True)


class AttestationsSchema(Schema):
    """All of them about one record, in the order in which they came."""

    items = fields.List(fields.Nested(AttestationSchema), required=True)
