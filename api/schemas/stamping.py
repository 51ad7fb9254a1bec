"""Runs without our tags, and stamping them."""

from marshmallow import Schema, fields, validate

from mlflow_evidence_plugin import tags

from . import names


class UnstampedArgs(Schema):
    """Which runs to look at. No field: every run that the token may see."""

    experiment = names.name(metadata={"description": "the name of one experiment"})
    run_id = names.name(metadata={"description": "one run alone"})
    limit = fields.Integer(
        load_default=200,
        validate=validate.Range(1, 200),
        metadata={"description": "runs on a page, of which only the bare ones are shown"},
    )
    cursor = fields.String(
        validate=validate.Regexp(r"^[A-Za-z0-9_-]{1,4000}$"),
        metadata={"description": "`next` of the page before, with every other field as it was"},
    )


class BareRunSchema(Schema):
    """A run without our tags."""

    run_id = fields.String(required=True)
    experiment = fields.String(required=True)
    started_at = fields.String(allow_none=True, required=True)
    would_stamp = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        required=True,
        metadata={"description": "the tags that it would get, but for values that you give"},
    )
    carries = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "names of ours that it has, and keeps as they are"},
    )


class UnstampedPage(Schema):
    """Newest first in each experiment. `next` is the cursor of the next page, null at the end.

    A page may hold no run and still have a next one: a store cannot be asked for what runs lack.
    """

    items = fields.List(fields.Nested(BareRunSchema), required=True)
    next = fields.String(allow_none=True, required=True)


class StampArgs(Schema):
    """Governance values that somebody gives now. A tag that the run has is never overwritten."""

    values = fields.Dict(
        keys=fields.String(validate=validate.OneOf(tags.GOVERNANCE)),
        values=names.name(tags.VALUE_MAX),
        load_default=dict,
    )


class StampedSchema(Schema):
    """What a run got. No tags: it was stamped already, and was left as it is."""

    run_id = fields.String(required=True)
    stamped = fields.Dict(keys=fields.String(), values=fields.String(), required=True)
