"""Problem details (RFC 9457)."""

from marshmallow import Schema, fields

from .erasures import ErasureSchema


class ProblemSchema(Schema):
    """What went wrong, and how to mend it. `code` is stable."""

    class Meta:
        """Named so in the contract."""

        title = "Problem"

    type = fields.String(required=True)
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    code = fields.String(required=True)
    detail = fields.String(required=True)
    mend = fields.String()
    request_id = fields.String(metadata={"description": "what the service's log calls it"})
    capture = fields.String(metadata={"description": "the capture that ended so"})
    tombstone = fields.Nested(
        ErasureSchema, metadata={"description": "what is said of the evidence that was erased"}
    )
    document = fields.Dict(metadata={"description": "the decision, where a gate was enforced"})
