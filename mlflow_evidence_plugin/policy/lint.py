"""What is a policy, and yet unlikely to be meant."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from .model import Environment, Policy, RuleSpec, key_of

NEVER = ("claimed", "observed")
"""The bases that facts of a record have so far."""


def warnings_of(policy: Policy) -> Iterator[tuple[str, str]]:
    """Where in the policy, and what is odd there."""
    for name, environment in sorted(policy.environments.items()):
        where = f"environments/{name}"
        if not any(one.blocks for one in environment.rules):
            yield where, "nothing blocks here: every rule only warns"
        for place, spec in enumerate(environment.rules):
            odd = (*_twice(environment, place), *_alone(spec), *_lowered(environment, spec))
            for said in (*odd, *_itself(environment, spec)):
                yield f"{where}/rules/{place}", said
        yield from ((where, said) for said in _contradictions(environment))


def _twice(environment: Environment, place: int) -> Iterator[str]:
    spec = environment.rules[place]
    for earlier, one in enumerate(environment.rules[:place]):
        if one.label == spec.label:
            yield f"the same as rule {earlier}, whatever their severity"


def _alone(spec: RuleSpec) -> Iterator[str]:
    basis = spec.options.get("basis")
    if basis is not None and basis not in NEVER and spec.name != "approvals":
        yield "no fact of a record is attested yet: this never passes"
    if spec.name == "approvals" and basis == "attested":
        yield "no approval is attested: this never passes"
    if spec.name == "expression" and spec.options["expression"].strip() == "true":
        yield "this always passes"


def _lowered(environment: Environment, spec: RuleSpec) -> Iterator[str]:
    """The bar that each blocked version lowers for the next."""
    if spec.name != "no-regression" or spec.options["baseline"] != "previous" or not spec.blocks:
        return
    holds = ("metric-threshold", "no-regression")
    metric = spec.options["metric"]
    others = [one for one in environment.rules if one is not spec and one.blocks]
    if not any(one.name in holds and one.options["metric"] == metric for one in others):
        yield (
            "the previous version is compared with although it was blocked: a bad one that is "
            "registered again passes; have a second rule compare with an alias, or a threshold"
        )


def _itself(environment: Environment, spec: RuleSpec) -> Iterator[str]:
    """A way back that leads nowhere once the version is released."""
    if spec.name != "rollback-target" or not spec.blocks:
        return
    alias = key_of(spec.options.get("target", "previous"))
    if alias in environment.baseline_aliases:
        yield (
            f"{alias} is what versions are compared with, so that it moves to what is released, "
            "which then has no way back but itself: have another alias stay with the one before it"
        )


def _contradictions(environment: Environment) -> Iterator[str]:
    """Bounds of one metric that no value meets."""
    bounds: dict[str, tuple[Decimal, Decimal]] = {}
    for spec in environment.rules:
        if spec.name != "metric-threshold" or not spec.blocks:
            continue
        metric, options = spec.options["metric"], spec.options
        low, high = bounds.get(metric, (Decimal("-Infinity"), Decimal("Infinity")))
        low = max(low, Decimal(str(options.get("min", low))))
        high = min(high, Decimal(str(options.get("max", high))))
        if low > high and metric in bounds and bounds[metric][0] <= bounds[metric][1]:
            yield f"no {metric} is at least {low} and at most {high}"
        bounds[metric] = low, high
