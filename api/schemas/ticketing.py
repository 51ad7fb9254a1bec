"""What ticket systems fetch: a change request's fields, and a comment."""

from marshmallow import Schema, fields, validate

from mlflow_evidence_plugin.render.change import LENGTHS

from . import names


class TicketCheckArgs(Schema):
    """Which version, and for which environment."""

    subject = names.name(
        600, required=True, metadata={"description": "models/NAME/VERSION or models/NAME@ALIAS"}
    )
    environment = names.name(
        64, metadata={"description": "may be left out if the policy has only one"}
    )


class _Answer(Schema):
    allowed = fields.Boolean(required=True)
    status = fields.String(required=True, validate=validate.OneOf(["passed", "failed", "pending"]))
    subject = fields.String(required=True)
    environment = fields.String(required=True)
    record = names.digest(required=True)


class _Fields(Schema):
    short_description = fields.String(
        required=True, validate=validate.Length(max=LENGTHS["short_description"])
    )
    justification = fields.String(
        required=True, validate=validate.Length(max=LENGTHS["justification"])
    )
    implementation_plan = fields.String(
        required=True, validate=validate.Length(max=LENGTHS["implementation_plan"])
    )
    backout_plan = fields.String(
        required=True, validate=validate.Length(max=LENGTHS["backout_plan"])
    )
    test_plan = fields.String(required=True, validate=validate.Length(max=LENGTHS["test_plan"]))
    work_notes = fields.String(required=True, validate=validate.Length(max=LENGTHS["work_notes"]))


class ChangeSchema(_Answer):
    """A verdict, and the fields of ServiceNow's change_request, as plain text."""

    change = fields.Nested(_Fields, required=True)


class CommentSchema(_Answer):
    """A verdict as a comment: plain text, and a document of Jira's (ADF)."""

    text = fields.String(required=True)
    body = fields.Dict(required=True, metadata={"description": "Atlassian Document Format"})
