"""Evidence by change ticket."""

from marshmallow import Schema, fields, validate

from mlflow_evidence_plugin.service.holding import LACKS

from .approvals import EntriesSchema
from .bundles import FoundSchema


class TicketArgs(Schema):
    """A page of what belongs to a ticket."""

    limit = fields.Integer(load_default=50, validate=validate.Range(1, 200))
    cursor = fields.String(
        validate=validate.Regexp(r"^[A-Za-z0-9_-]{22}$"),
        metadata={"description": "`next` of the page before"},
    )


class TicketItemSchema(FoundSchema, EntriesSchema):
    """A record of the ticket, with all that people have said about its subject."""

    class Meta:
        """The ticket is said once, for all."""

        exclude = ("ticket",)

    run = fields.String(required=True, allow_none=True, metadata={"description": "its name"})
    named_by = fields.List(
        fields.String(validate=validate.OneOf(["governance", "approval", "waiver"])),
        required=True,
        metadata={"description": "what names the ticket"},
    )
    newest = fields.Boolean(
        required=True, metadata={"description": "whether it is the newest evidence of its subject"}
    )
    lacks = fields.List(fields.String(validate=validate.OneOf(LACKS)), required=True)


class TicketPage(Schema):
    """Newest first; `next` is null at the end. An unknown ticket has none."""

    ticket = fields.String(required=True)
    items = fields.List(fields.Nested(TicketItemSchema), required=True)
    next = fields.String(allow_none=True, required=True)
