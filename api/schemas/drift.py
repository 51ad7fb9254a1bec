"""What changed since the evidence was signed."""

from marshmallow import Schema, fields, validate

from . import names


class DriftArgs(Schema):
    """How closely to look."""

    artifacts = fields.Boolean(
        load_default=False,
        metadata={
            "description": "read every file and metric history, to compare digests; else files are "
            "compared by size"
        },
    )


class DriftFindingSchema(Schema):
    """One change; `was` or `is` is null for what was not there, or is no more."""

    what = fields.String(
        required=True,
        metadata={
            "description": "SECTION/NAME of the record; `run` or `version` for one that is gone; "
            "`verdict/ENVIRONMENT/ALIAS` for an alias that leads elsewhere than when it was judged"
        },
    )
    kind = fields.String(required=True, validate=validate.OneOf(["added", "removed", "changed"]))
    was = fields.Raw(required=True, allow_none=True)
    is_ = fields.Raw(required=True, allow_none=True, data_key="is")


class UnknownSchema(Schema):
    """What could not be compared, and why."""

    what = fields.String(required=True)
    why = fields.String(required=True)


class DriftSchema(Schema):
    """What MLflow says now against the signed record. Nothing of it is kept."""

    subject = fields.String(required=True)
    digest = names.digest(required=True)
    drifted = fields.Boolean(
        required=True,
        allow_none=True,
        metadata={"description": "null: no change was found, but not everything is known"},
    )
    files_by = fields.String(required=True, validate=validate.OneOf(["size", "digest"]))
    findings = fields.List(fields.Nested(DriftFindingSchema), required=True)
    not_known = fields.List(fields.Nested(UnknownSchema), required=True, data_key="unknown")
    resolved_at = fields.String(required=True)
