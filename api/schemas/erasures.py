"""What was erased, and the order to erase."""

from marshmallow import Schema, fields, validate

from . import names


class ErasureArgs(Schema):
    """Why: it is signed, shown, and kept for good."""

    reason = fields.String(required=True, validate=validate.Length(1, 1000))


class ErasureSchema(Schema):
    """What the tombstone says. `erased` are the digests of the statements that are gone."""

    record = names.digest(required=True)
    subject = fields.String(required=True)
    reason = fields.String(required=True)
    by = fields.String(required=True)
    at = fields.String(required=True)
    statement = names.digest(
        required=True, metadata={"description": "the tombstone: SHA-256 of its DSSE envelope"}
    )
    erased = fields.List(names.digest(), required=True)
