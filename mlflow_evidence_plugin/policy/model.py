"""The policy file: what it may say, and its digest."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from ..errors import BadPolicy, BadRecord, NotFound
from ..record import canonical, digest_of

SIZE_LIMIT = 256 * 1024


@dataclass(frozen=True)
class RuleSpec:
    """One rule as the policy asks for it. `blocks` is False for a rule that only warns."""

    name: str
    options: Mapping[str, Any]
    blocks: bool


@dataclass(frozen=True)
class Environment:
    """The rules of one environment, and for how many hours a decision holds."""

    name: str
    rules: tuple[RuleSpec, ...]
    valid_hours: int

    @property
    def baseline_aliases(self) -> tuple[str, ...]:
        """Aliases whose holders the rules compare with."""
        named = {r.options["baseline"]["alias"] for r in self.rules if "baseline" in r.options}
        return tuple(sorted(named))


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
    """Read a policy file (YAML). BadPolicy says what is wrong with it, and where."""
    if len(text) > SIZE_LIMIT:
        raise BadPolicy(f"the policy file has {len(text)} bytes; {SIZE_LIMIT} are allowed")
    try:
        document = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BadPolicy(f"the policy file is not YAML: {error}", "mend the line it names") from None
    _check(document)
    try:
        data = canonical(document)
    except BadRecord as error:
        raise BadPolicy(f"not a policy: {error.detail}", "use finite numbers") from error
    environments = {name: _environment(name, e) for name, e in document["environments"].items()}
    return Policy(digest_of(data), data, environments)


def _check(document: Any) -> None:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    wrong = best_match(Draft202012Validator(policy_schema()).iter_errors(document))
    if wrong is not None:
        where = "/".join(map(str, wrong.absolute_path)) or "the file"
        mend = "docs/policy.md describes every rule with an example"
        raise BadPolicy(f"not a policy: {where}: {wrong.message[:300]}", mend)
    _check_names(document)
    _check_bounds(document)


def _check_names(document: Any) -> None:
    if isinstance(document, str) and not document.isprintable():
        raise BadPolicy(f"not a policy: {document!r} has characters that no name has")
    for one in document.items() if isinstance(document, dict) else ():
        _check_names(one)
    for one in document if isinstance(document, list | tuple) else ():
        _check_names(one)


def _check_bounds(document: Mapping[str, Any]) -> None:
    for environment in document["environments"].values():
        for rule in environment["rules"]:
            if rule.get("min", 0) > rule.get("max", rule.get("min", 0)):
                raise BadPolicy(f"not a policy: {rule['metric']} has a min above its max")


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


class _Loader(yaml.SafeLoader):
    """YAML without the surprise that a key given twice silently wins."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
    for key in keys:
        if not isinstance(key, str):
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {key!r} is not text", node.start_mark
            )
        if keys.count(key) > 1:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {key!r} stands twice", node.start_mark
            )
    return dict(loader.construct_mapping(node, deep=True))


# YAML 1.1 reads 010 as 8 and 1:30 as 90; here a number is what it looks like, or it is text.
_Loader.yaml_implicit_resolvers = {
    first: [
        one for one in known if one[0] not in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
    ]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"[-+]?(?:0|[1-9][0-9]*)\Z"), list("-+0123456789")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?\Z"),
    list("-+0123456789."),
)
_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
