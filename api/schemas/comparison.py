"""Comparisons, and a metric over the runs of an experiment."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from mlflow_evidence_plugin.errors import BadInput
from mlflow_evidence_plugin.record.compare import HIGHER, LOWER, MOST
from mlflow_evidence_plugin.record.regressions import BEST, MEDIAN
from mlflow_evidence_plugin.service.comparing import FORMS, RUNS, tolerance

from . import names

SUBJECT = {"description": FORMS}
LIST = {"description": "metrics of which {} is better, separated by commas"}
KINDS = ["added", "removed", "changed", "unknown"]
STATES = ["first", "ok", "regression", "unknown"]
DECIMAL = {"description": "decimal text, as it was logged; NaN and Infinity too"}


def _tolerance(text: str) -> None:
    try:
        tolerance(text)
    except BadInput as error:
        raise ValidationError(f"{error.detail}: {error.mend}") from error


class CompareArgs(Schema):
    """What with what, and which way is better."""

    base = names.name(600, required=True, metadata=SUBJECT)
    other = fields.List(
        names.name(600),
        required=True,
        validate=validate.Length(1, MOST - 1),
        metadata={"description": f"given up to {MOST - 1} times: {FORMS}"},
    )
    higher = names.name(4000, metadata={"description": LIST["description"].format("higher")})
    lower = names.name(4000, metadata={"description": LIST["description"].format("lower")})


class ComparedSchema(Schema):
    """One of those compared."""

    subject = fields.String(required=True)
    digest = names.digest(required=True)
    run_id = fields.String(allow_none=True, required=True)
    run = fields.String(allow_none=True, required=True)
    experiment = fields.String(allow_none=True, required=True)
    started = fields.String(allow_none=True, required=True)
    captured_at = fields.String(required=True)


class CommitsSchema(Schema):
    """The commits between the base and a candidate."""

    range = fields.String(required=True, metadata={"description": "OLD..NEW, as git log takes it"})
    same = fields.Boolean(required=True)
    dirty = fields.List(
        fields.String(allow_none=True),
        required=True,
        metadata={"description": "of the base and of the candidate; null: not known"},
    )
    link = fields.String(
        allow_none=True, required=True, metadata={"description": "where a known forge shows them"}
    )


class CandidateSchema(ComparedSchema):
    """A candidate; `same` if it is the very same record."""

    same = fields.Boolean(required=True)
    commits = fields.Nested(CommitsSchema, allow_none=True, required=True)


class ChangeSchema(Schema):
    """One fact that differs. `unknown`: one side could not be read, or is no number."""

    section = fields.String(required=True)
    name = fields.String(required=True)
    kind = fields.String(required=True, validate=validate.OneOf(KINDS))
    base = fields.Raw(required=True, allow_none=True)
    value = fields.Raw(required=True, allow_none=True)


class DifferenceSchema(ChangeSchema):
    """The same of a candidate, counted from 1 on; with figures where both are numbers."""

    other = fields.Integer(required=True)
    delta = fields.String(required=True, allow_none=True)
    relative = fields.String(
        required=True, allow_none=True, metadata={"description": "delta as a share of the base"}
    )
    verdict = fields.String(
        required=True,
        allow_none=True,
        validate=validate.OneOf(["better", "worse", "same", "unknown"]),
        metadata={"description": "null where nobody said which way is better"},
    )


class LackingSchema(Schema):
    """A section that cannot be compared, and why: of the base, or of the candidate."""

    other = fields.Integer(required=True)
    section = fields.String(required=True)
    base = fields.String(required=True, allow_none=True)
    value = fields.String(required=True, allow_none=True)


class ComparisonSchema(Schema):
    """A base against each candidate."""

    base = fields.Nested(ComparedSchema, required=True)
    directions = fields.Dict(keys=fields.String(), values=fields.String(), required=True)
    others = fields.List(fields.Nested(CandidateSchema), required=True)
    items = fields.List(fields.Nested(DifferenceSchema), required=True)
    gaps = fields.List(fields.Nested(LackingSchema), required=True)


class HistoryArgs(Schema):
    """Which metric, and what counts as a regression."""

    metric = names.name(required=True)
    direction = fields.String(
        load_default=HIGHER,
        validate=validate.OneOf([HIGHER, LOWER]),
        metadata={"description": "which way is better"},
    )
    against = fields.String(load_default=MEDIAN, validate=validate.OneOf([MEDIAN, BEST]))
    window = fields.Integer(
        load_default=5,
        validate=validate.Range(1, 100),
        metadata={"description": "how many runs before it a run is compared with"},
    )
    tolerance = fields.String(
        load_default="5%",
        validate=_tolerance,
        metadata={"description": "0.02, or 5% of the baseline: how much worse is no regression"},
    )
    limit = fields.Integer(load_default=100, validate=validate.Range(1, RUNS))


class CauseSchema(ChangeSchema):
    """What differs from the run before; and in how many of the steps before it that did too."""

    changed_before = fields.Integer(required=True)
    steps_before = fields.Integer(required=True)


class PointSchema(Schema):
    """One run. `value` is null where the metric was not logged."""

    run_id = fields.String(required=True, allow_none=True)
    name = fields.String(required=True, allow_none=True)
    started = fields.String(required=True, allow_none=True)
    status = fields.String(required=True, allow_none=True)
    subject = fields.String(required=True)
    digest = names.digest(required=True)
    value = fields.String(required=True, allow_none=True, metadata=DECIMAL)
    baseline = fields.String(required=True, allow_none=True)
    delta = fields.String(required=True, allow_none=True)
    relative = fields.String(required=True, allow_none=True)
    state = fields.String(required=True, validate=validate.OneOf(STATES))
    before = names.digest(
        required=True, allow_none=True, metadata={"description": "the record of the run before"}
    )
    changes = fields.List(
        fields.Nested(CauseSchema),
        required=True,
        metadata={"description": "of a regression: what changed, the unusual first"},
    )


class HistorySchema(Schema):
    """A metric over the runs of an experiment, in the order of their starts."""

    experiment = fields.String(required=True)
    metric = fields.String(required=True)
    direction = fields.String(required=True)
    against = fields.String(required=True)
    window = fields.Integer(required=True)
    tolerance = fields.String(required=True)
    items = fields.List(fields.Nested(PointSchema), required=True)
    truncated = fields.Boolean(
        required=True, metadata={"description": "whether there are runs that were captured before"}
    )


def question(args: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a history, as its question takes them."""
    number, share = tolerance(args["tolerance"])
    names = ("metric", "direction", "against", "window")
    return {**{name: args[name] for name in names}, "tolerance": number, "relative": share}
