"""The inventory: what there is, whose it is, and what it lacks."""

from marshmallow import Schema, fields, validate

from mlflow_evidence_plugin.service.holding import LACKS
from mlflow_evidence_plugin.service.inventory import EVIDENCE, MOST, STORE

from . import names
from .bundles import ProblemMetSchema


class InventoryFilters(Schema):
    """Which subjects. No field: everything that the token may see."""

    lacks = fields.String(validate=validate.OneOf(LACKS))
    owner = names.name()
    cost_center = names.name()
    model = names.name(metadata={"description": "the versions of one model alone"})
    environment = names.name(
        64,
        metadata={"description": "lacks an approval: what the policy asks for there, else any"},
    )
    source = fields.String(
        load_default=STORE,
        validate=validate.OneOf([STORE, EVIDENCE]),
        metadata={"description": "what the tracking store lists now; or what was captured"},
    )
    days = fields.Integer(
        load_default=90,
        validate=validate.Range(0, 36500),
        metadata={"description": "evidence that was not seen for so long is stale"},
    )


class InventoryArgs(InventoryFilters):
    """The same, a page at a time."""

    limit = fields.Integer(
        load_default=50,
        validate=validate.Range(1, 200),
        metadata={"description": "subjects on a page, of which only those that match are shown"},
    )
    cursor = fields.String(
        validate=validate.Regexp(r"^[A-Za-z0-9_-]{1,4000}$"),
        metadata={"description": "`next` of the page before, with every other field as it was"},
    )


class GroupArgs(InventoryFilters):
    """The same, added up."""

    by = fields.String(load_default="owner", validate=validate.OneOf(["owner", "cost_center"]))
    max = fields.Integer(
        load_default=MOST,
        validate=validate.Range(1, MOST),
        metadata={"description": "subjects that are added up, at the most"},
    )


class HoldingSchema(Schema):
    """A model version or a run. What only evidence knows is null without it."""

    subject = fields.String(required=True)
    model = fields.String(required=True, allow_none=True)
    version = fields.String(required=True, allow_none=True)
    run_id = fields.String(required=True, allow_none=True)
    experiment = fields.String(required=True, allow_none=True)
    listed = fields.Boolean(
        required=True,
        allow_none=True,
        metadata={"description": "whether the store lists it; null: the store was not asked"},
    )
    owner = fields.String(required=True, allow_none=True)
    team = fields.String(required=True, allow_none=True)
    cost_center = fields.String(required=True, allow_none=True)
    ticket = fields.String(required=True, allow_none=True)
    digest = names.digest(required=True, allow_none=True)
    captured_at = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "when it was last seen as the evidence has it"},
    )
    verdicts = fields.Dict(keys=fields.String(), values=fields.String(), required=True)
    approvals = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "that are in force for the release; null for a run"},
    )
    artifact_bytes = fields.Integer(required=True, allow_none=True)
    duration_ms = fields.Integer(required=True, allow_none=True)
    stale = fields.String(
        required=True, allow_none=True, validate=validate.OneOf(["old", "changed"])
    )
    lacks = fields.List(fields.String(validate=validate.OneOf(LACKS)), required=True)


class InventorySourceSchema(Schema):
    """Where a list comes from."""

    source = fields.String(required=True, validate=validate.OneOf([STORE, EVIDENCE]))
    problem = fields.Nested(
        ProblemMetSchema,
        allow_none=True,
        required=True,
        metadata={"description": "why the store could not be asked: then it is what was captured"},
    )
    resolved_at = fields.String(required=True)


class InventoryPage(InventorySourceSchema):
    """Versions by model, then runs by experiment, each the newest first; `next` is null at the end.

    A page may hold none and still have a next one: a store cannot be asked for what is lacking.
    """

    items = fields.List(fields.Nested(HoldingSchema), required=True)
    next = fields.String(allow_none=True, required=True)


class GroupSchema(Schema):
    """One owner, or cost centre; null: nobody's. A run counts once, with all made from it."""

    group = fields.String(required=True, allow_none=True)
    subjects = fields.Integer(required=True)
    artifact_bytes = fields.Integer(required=True)
    duration_ms = fields.Integer(required=True)
    unmeasured = fields.Integer(
        required=True, metadata={"description": "subjects of which no evidence tells their bytes"}
    )
    lacks = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)


class GroupsSchema(InventorySourceSchema):
    """The inventory added up."""

    by = fields.String(required=True)
    items = fields.List(fields.Nested(GroupSchema), required=True)
    truncated = fields.Boolean(
        required=True, metadata={"description": "whether there are subjects beyond `max`"}
    )
