"""Bundles: the evidence of one subject, and the search for them."""

from marshmallow import Schema, fields, validate

from . import names


class SignatureSchema(Schema):
    """One signature of a DSSE envelope."""

    keyid = fields.String(required=True)
    sig = fields.String(required=True)


class EnvelopeSchema(Schema):
    """A DSSE envelope; its payload is an in-toto statement."""

    payload = fields.String(required=True)
    payloadType = fields.String(required=True)
    signatures = fields.List(fields.Nested(SignatureSchema), required=True)


class ResolvedSchema(Schema):
    """An alias and the version that held it when we looked."""

    alias = fields.String(required=True)
    version = fields.String(required=True)
    resolved_at = fields.String(required=True)


class BundleSchema(Schema):
    """A record (RFC 8785 canonical JSON) with the signed statements about it."""

    digest = names.digest(required=True, metadata={"description": "SHA-256 of the record's bytes"})
    subject = fields.String(required=True)
    captured_at = fields.String(required=True)
    resolved = fields.Nested(ResolvedSchema)
    statements = fields.List(fields.Nested(EnvelopeSchema), required=True)
    record = fields.Dict(required=True)


class SearchArgs(Schema):
    """What to search for. No field: everything that the token may see."""

    run_id = names.name()
    model = names.name()
    version = names.name(32)
    limit = fields.Integer(load_default=50, validate=validate.Range(1, 200))
    cursor = fields.String(validate=validate.Regexp(r"^[1-9][0-9]{0,17}$"))


class FoundSchema(Schema):
    """One capture's outcome."""

    digest = names.digest(attribute="record_digest", required=True)
    subject = fields.String(required=True)
    run_id = fields.String(allow_none=True)
    model = fields.String(allow_none=True)
    experiment = fields.String(allow_none=True)
    captured_at = fields.String(required=True)


class BundlePage(Schema):
    """Newest first. `next` is the cursor of the next page, null at the end."""

    items = fields.List(fields.Nested(FoundSchema), required=True)
    next = fields.String(allow_none=True, required=True)
