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
    """An alias, or a stage, and the version that held it when we looked."""

    alias = fields.String()
    stage = fields.String()
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
    version = names.name(32, metadata={"description": "of the model, which must be given too"})
    owner = names.name(metadata={"description": "the run's tag evidence.owner"})
    ticket = names.name(metadata={"description": "the run's tag evidence.ticket"})
    tag = names.name(
        4000, metadata={"description": "NAME=VALUE: a tag of the run or of the model version"}
    )
    verdict = fields.String(
        validate=validate.OneOf(["passed", "failed"]),
        metadata={"description": "the newest decision, in `environment` if given, else in any"},
    )
    environment = names.name(64)
    since = names.time(metadata={"description": "first captured at this time or later"})
    until = names.time(metadata={"description": "first captured before this time"})
    limit = fields.Integer(load_default=50, validate=validate.Range(1, 1000))
    cursor = fields.String(
        validate=validate.Regexp(r"^[A-Za-z0-9_-]{32}$"),
        metadata={"description": "`next` of the page before, with every other field as it was"},
    )


class FoundSchema(Schema):
    """One bundle, as a search finds it. `captured_at` is when it was captured first."""

    digest = names.digest(required=True)
    subject = fields.String(required=True)
    run_id = fields.String(allow_none=True)
    model = fields.String(allow_none=True)
    version = fields.String(allow_none=True)
    experiment = fields.String(allow_none=True)
    owner = fields.String(allow_none=True)
    ticket = fields.String(allow_none=True)
    captured_at = fields.String(required=True)
    verdicts = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        required=True,
        metadata={"description": "status of the newest decision, by environment"},
    )


class BundlePage(Schema):
    """Newest first. `next` is the cursor of the next page, null at the end.

    A page may hold fewer than `limit`, or none, and still have a next one: when the token sees
    only some of what was looked at.
    """

    items = fields.List(fields.Nested(FoundSchema), required=True)
    next = fields.String(allow_none=True, required=True)


class RunModelSchema(Schema):
    """A model version made from a run. null: the registry could not be asked."""

    model = fields.String(required=True)
    version = fields.String(required=True)
    stage = fields.String(allow_none=True, required=True)
    aliases = fields.List(fields.String(), allow_none=True, required=True)
    registered = fields.Boolean(
        allow_none=True,
        required=True,
        metadata={"description": "false: only the evidence of it is left"},
    )
    digest = names.digest(
        allow_none=True, required=True, metadata={"description": "its newest evidence, if any"}
    )


class ProblemMetSchema(Schema):
    """Why the registry could not be asked."""

    code = fields.String(required=True)
    detail = fields.String(required=True)


class RunModelsSchema(Schema):
    """The model versions of a run, by the registry and by the evidence."""

    items = fields.List(fields.Nested(RunModelSchema), required=True)
    resolved_at = fields.String(required=True)
    problem = fields.Nested(ProblemMetSchema, allow_none=True, required=True)
