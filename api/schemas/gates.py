"""What Flagger, Gatekeeper and MLflow send, as far as it is read, and what they are told."""

from marshmallow import EXCLUDE, Schema, fields, validate

from . import names
from .problems import ProblemSchema

KEYS_LIMIT = 100
"""Keys of one request of Gatekeeper's: more of them are not answered in its time."""


class _Part(Schema):
    """A part of a payload: there is more in it, and more to come."""

    class Meta:
        """marshmallow's own declaration."""

        unknown = EXCLUDE


class FlaggerMetadata(_Part):
    """What the canary's author wrote below `metadata`: text, each of it."""

    model = names.name(required=True, metadata={"description": "a registered model"})
    version = names.name(32, metadata={"description": "a version of it"})
    alias = names.name(metadata={"description": "or an alias, resolved when it is decided"})
    environment = names.name(
        64, metadata={"description": "may be left out: it is that of the address"}
    )


class FlaggerSchema(_Part):
    """Flagger's webhook. `phase` is the canary's, and does not say which hook it is."""

    name = fields.String(required=True, validate=validate.Length(1, 253))
    namespace = fields.String(required=True, validate=validate.Length(1, 253))
    phase = fields.String(load_default="", allow_none=True)
    metadata = fields.Nested(FlaggerMetadata, required=True)


class _Keys(_Part):
    keys = fields.List(
        fields.String(required=True, validate=validate.Length(0, 1024)),
        required=True,
        validate=validate.Length(1, KEYS_LIMIT),
        metadata={"description": "models/NAME/VERSION or models/NAME@ALIAS, perhaps #ENVIRONMENT"},
    )


class ProviderRequestSchema(_Part):
    """Gatekeeper's question to a provider of external data."""

    kind = fields.String(load_default="ProviderRequest", validate=validate.Equal("ProviderRequest"))
    request = fields.Nested(_Keys, required=True)


class GateSchema(Schema):
    """A verdict, for a rule in Rego."""

    allowed = fields.Boolean(required=True)
    status = fields.String(required=True, validate=validate.OneOf(["passed", "failed", "pending"]))
    subject = fields.String(required=True)
    environment = fields.String(required=True)
    reasons = fields.List(fields.String(), required=True)
    details_url = fields.String(required=True, allow_none=True)


class _Item(Schema):
    """A key's value, or why it has none."""

    key = fields.String(required=True)
    value = fields.Nested(GateSchema)
    error = fields.String()


class _Response(Schema):
    """The items, in the order of the keys."""

    idempotent = fields.Boolean(required=True)
    items = fields.List(fields.Nested(_Item), required=True)
    systemError = fields.String(required=True)


class ProviderResponseSchema(Schema):
    """What Gatekeeper is told."""

    apiVersion = fields.String(required=True)
    kind = fields.String(required=True, validate=validate.Equal("ProviderResponse"))
    response = fields.Nested(_Response, required=True)


class ProviderProblemSchema(ProblemSchema):
    """A problem that Gatekeeper, which reads the body whatever the status, sees as one."""

    class Meta:
        """Named so in the contract."""

        title = "Problem of a provider"

    apiVersion = fields.String()
    kind = fields.String(validate=validate.Equal("ProviderResponse"))
    response = fields.Nested(_Response)


class _Told(_Part):
    name = names.name(required=True)
    version = names.name(32)
    alias = names.name()


class MLflowEventSchema(_Part):
    """An event of MLflow's: a version that was registered, or an alias that was moved."""

    entity = fields.String(required=True)
    action = fields.String(required=True)
    data = fields.Nested(_Told, required=True)
