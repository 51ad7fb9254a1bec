"""The policy file: what it may say, and its digest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache, cached_property
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from ..errors import BadPolicy, BadRecord, NotFound
from ..record import canonical, digest_of
from . import cel, patterns
from .case import PREVIOUS, Needs
from .source import load

if TYPE_CHECKING:
    from jsonschema_rs import ValidationError

SIZE_LIMIT = 256 * 1024
STATES = 20_000
"""What all regular expressions of a file may be together: so long as a record takes a second."""

TREND_RUNS = 5
"""Earlier runs that a trend looks at, if the policy does not say."""


def key_of(named: Any) -> str:
    """The key in a case of `previous`, `{alias: …}` or `{digest: …}`."""
    return PREVIOUS if named == "previous" else str(named.get("alias") or named.get("digest"))


@dataclass(frozen=True)
class RuleSpec:
    """One rule as the policy asks for it. `blocks` is False for a rule that only warns."""

    name: str
    options: Mapping[str, Any]
    blocks: bool

    @property
    def label(self) -> str:
        """The rule with its options, canonical: what statements and waivers name it by."""
        options = canonical(dict(self.options)).decode() if self.options else ""
        return f"{self.name} {options}".strip()

    @property
    def needs(self) -> Needs:
        """What must be looked up before this rule can look."""
        baselines = (key_of(self.options["baseline"]),) if "baseline" in self.options else ()
        return Needs(
            baselines=baselines,
            approvals=self.name == "approvals",
            attestations=self.name == "attested",
            earlier=self.options.get("runs", TREND_RUNS) if self.name == "trend" else 0,
            targets=(key_of(self.options.get("target", "previous")),)
            if self.name == "rollback-target"
            else (),
            captured_at=self.name == "fresh",
        )


@dataclass(frozen=True)
class Environment:
    """The rules of one environment, and for how many hours a decision holds."""

    name: str
    rules: tuple[RuleSpec, ...]
    valid_hours: int

    @property
    def baseline_aliases(self) -> tuple[str, ...]:
        """Aliases whose holders the rules compare with."""
        keys = self.needs.baselines
        return tuple(key for key in keys if key != PREVIOUS and not key.startswith("sha256:"))

    @cached_property
    def needs(self) -> Needs:
        """What must be looked up before the rules can look."""
        every = [one.needs for one in self.rules]
        return Needs(
            baselines=tuple(sorted({key for one in every for key in one.baselines})),
            approvals=any(one.approvals for one in every),
            attestations=any(one.attestations for one in every),
            earlier=max((one.earlier for one in every), default=0),
            targets=tuple(sorted({key for one in every for key in one.targets})),
            captured_at=any(one.captured_at for one in every),
        )


@dataclass(frozen=True)
class Policy:
    """A policy file's content. `digest` names its meaning: comments and layout do not count."""

    digest: str
    canonical: bytes
    environments: Mapping[str, Environment]

    def environment(self, name: str | None) -> Environment:
        """The environment of that name; the only one when none is named; NotFound otherwise."""
        known = ", ".join(sorted(self.environments))
        if name is None and len(self.environments) == 1:
            return next(iter(self.environments.values()))
        if name is None or name not in self.environments:
            asked = f"no environment {name}" if name else "several environments"
            raise NotFound(f"the policy has {asked}; it has: {known}", "name one of them")
        return self.environments[name]


@cache
def policy_schema() -> dict[str, Any]:
    """The published schema of policy files."""
    text = (files(__package__) / "policy.v1.schema.json").read_text("utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


def parse(text: bytes) -> Policy:
    """Read a policy file (YAML). BadPolicy says what is wrong with it, and where.

    It is read as it is kept, as canonical JSON: `1.0` and `1` are one number, and say the same.
    """
    if len(text) > SIZE_LIMIT:
        raise BadPolicy(f"the policy file has {len(text)} bytes; {SIZE_LIMIT} are allowed")
    document = load(text)
    _check(document)
    try:
        data = canonical(document)
    except BadRecord as error:
        raise BadPolicy(f"not a policy: {error.detail}", "use finite numbers") from error
    if len(data) > SIZE_LIMIT:
        said = f"the policy has {len(data)} bytes with its aliases written out"
        raise BadPolicy(f"{said}; {SIZE_LIMIT} are allowed")
    kept = load(data)
    if canonical(kept) != data:
        raise BadPolicy("not a policy: a part of it reads differently when it is kept")
    environments = {name: _environment(name, e) for name, e in kept["environments"].items()}
    return Policy(digest_of(data), data, environments)


def _check(document: Any) -> None:
    from jsonschema_rs import Draft202012Validator

    try:
        found = list(Draft202012Validator(policy_schema()).iter_errors(document))
    except ValueError as error:
        raise BadPolicy("nested too deeply for a policy, or with text that is none") from error
    # What is wrong with the whole is told before what is wrong with a part.
    wrong = min(found, key=lambda one: len(one.instance_path), default=None)
    if wrong is not None:
        mend = "docs/policy.md describes every rule with an example"
        raise BadPolicy(f"not a policy: {_where(document, wrong)}: {_said(wrong)}", mend)
    _check_names(document)
    _check_bounds(document)


def _where(document: Any, wrong: ValidationError) -> str:
    """The place in the file; of a rule also its name, since nobody counts rules from 0."""
    path = wrong.instance_path
    where = "/".join(map(str, path)) or "the file"
    if len(path) < 4 or path[2] != "rules":
        return where
    rule = document[path[0]][path[1]]["rules"][path[3]]
    name = rule.get("rule") if isinstance(rule, dict) else None
    return f"{where} ({name})" if name in _names_of_rules() else where


def _names_of_rules() -> list[str]:
    found: list[str] = policy_schema()["$defs"]["rule"]["properties"]["rule"]["enum"]
    return found


def _said(wrong: ValidationError) -> str:
    """What is wrong, and what may stand there: a schema's own words only name its keywords."""
    kind: Any = wrong.kind
    if kind.name == "enum":
        allowed, given = [str(one) for one in kind.options], str(wrong.instance)[:100]
        near = get_close_matches(given, allowed, 1)
        meant = f"; is {near[0]} meant?" if near else ""
        return f"{given!r} is none of {', '.join(allowed)}{meant}"
    if kind.name in ("anyOf", "oneOf"):
        return _alternatives(wrong)
    if kind.name == "not":
        return f"{' and '.join(kind.schema['required'])} do not go together"
    return wrong.message[:300]


def _alternatives(wrong: ValidationError) -> str:
    """Of `oneOf` the forms that a value may have, of `anyOf` the names of which one is needed."""
    kind, depth = wrong.kind, len(wrong.instance_path)
    context: list[list[ValidationError]] = kind.context  # type: ignore[attr-defined]
    for errors in context:
        if all(len(one.instance_path) > depth for one in errors):  # the form is right
            return _said(errors[0])
    schema: Any = policy_schema()
    for step in wrong.schema_path:
        schema = schema[step]
    allowed = ", ".join(map(_form, schema))
    if kind.name == "anyOf":
        return f"it lacks one of {allowed}"
    return f"{wrong.message.partition(' is not valid')[0][:100]} is none of {allowed}"


def _form(schema: Mapping[str, Any]) -> str:
    """One of several forms as people write it: `previous`, `{alias: …}`, or a name that it has."""
    if "$ref" in schema:
        return _form(policy_schema()["$defs"][schema["$ref"].rpartition("/")[2]])
    if "const" in schema:
        return str(schema["const"])
    names = schema["required"]
    return f"{{{names[0]}: …}}" if "properties" in schema else " and ".join(names)


def _check_names(document: Any) -> None:
    if isinstance(document, str) and not document.replace("\n", " ").isprintable():
        raise BadPolicy(f"not a policy: {document!r} has characters that no name has")
    for one in document.items() if isinstance(document, dict) else ():
        _check_names(one)
    for one in document if isinstance(document, list | tuple) else ():
        _check_names(one)


def _check_bounds(document: Mapping[str, Any]) -> None:
    """What a schema cannot say of a rule's options."""
    states = 0
    for name, environment in document["environments"].items():
        for place, rule in enumerate(environment["rules"]):
            try:
                states += _check_rule(rule)
            except BadPolicy as error:
                where = f"environments/{name}/rules/{place}"
                raise BadPolicy(f"not a policy: {where}: {error.detail}", error.mend) from None
    if states > STATES:
        raise BadPolicy(f"its regular expressions have some {states} states; {STATES} are allowed")


def _check_rule(rule: Mapping[str, Any]) -> int:
    """How large its regular expressions are; BadPolicy."""
    if rule.get("min", 0) > rule.get("max", rule.get("min", 0)):
        raise BadPolicy(f"{rule['metric']} has a min above its max")
    if rule.get("at_least", 1) > rule.get("runs", TREND_RUNS):
        raise BadPolicy(f"{rule['metric']} needs more runs than it looks at")
    states = sum(map(patterns.check_pattern, rule.get("patterns", {}).values()))
    return states + (cel.compiled(rule["expression"]).patterns if "expression" in rule else 0)


def _environment(name: str, document: Mapping[str, Any]) -> Environment:
    rules = tuple(
        RuleSpec(
            rule["rule"],
            {k: v for k, v in rule.items() if k not in ("rule", "severity")},
            rule.get("severity", "block") == "block",
        )
        for rule in document["rules"]
    )
    return Environment(name, rules, document.get("valid_hours", 24))
