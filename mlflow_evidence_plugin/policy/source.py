"""The YAML in which policies and their cases are written: no more of it than JSON has."""

from __future__ import annotations

import re
from typing import Any

import yaml

from ..errors import BadPolicy

VALUES = 100_000
"""Of a file: with aliases a few lines can say as many as no memory holds."""


def load(text: bytes) -> Any:
    """A YAML document, read as a policy is: what looks like a number is one. BadPolicy.

    Neither dates nor other types of YAML's are read: they are text.
    """
    try:
        document = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
        if _values(document, {}) <= VALUES:
            return document
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BadPolicy(f"the policy file is not YAML: {error}", "mend the line it names") from None
    raise BadPolicy(f"the policy file says more than {VALUES} things", "write aliases out")


def _values(document: Any, known: dict[int, int]) -> int:
    """How many values there are once each alias is written out."""
    if not isinstance(document, dict | list):
        return 1
    if id(document) not in known:
        within = document.values() if isinstance(document, dict) else document
        known[id(document)] = 1 + sum(_values(one, known) for one in within)
    return known[id(document)]


class _Loader(yaml.SafeLoader):
    """YAML of texts, numbers, true, false and null, in which no key that stands twice wins."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> Any:
        """The next value; one that has its type written before it is not read."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        tag = getattr(event, "tag", None)
        if tag not in (None, "!"):
            raise _wrong(f"the type {tag} is not read; quote what is text", event.start_mark)
        return super().compose_node(parent, index)


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in node.value:
        name = loader.construct_object(key, deep=True)
        if not isinstance(name, str):
            raise _wrong(f"the key {name!r} is not text", key.start_mark)
        if name in found:
            raise _wrong(f"the key {name!r} stands twice", key.start_mark)
        found[name] = loader.construct_object(value, deep=True)
    return found


def _wrong(said: str, mark: yaml.Mark) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, said, mark)


# YAML 1.1 reads 010 as 8 and 1:30 as 90; here a number is what it looks like, or it is text.
# Nor is a date anything but text, for JSON has none.
_Loader.yaml_implicit_resolvers = {
    first: [one for one in known if one[0].rpartition(":")[2] not in ("int", "float", "timestamp")]
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
