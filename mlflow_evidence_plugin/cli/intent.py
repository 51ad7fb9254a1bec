"""A declared set-up, and whether this machine's and the service's are as it says."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from ..errors import BadConfig, EvidenceError
from ..tags import GOVERNANCE
from .checks import Place
from .observed import Observed, Unknown

SIZE_LIMIT = 64 * 1024
SOURCES = ("any", "file", "organisation", "variable")
"""Where a governance value may come from: evidence.toml, EVIDENCE_CONFIG's file, a variable."""

_MEND = "docs/inventory.md has an example with every name"


@dataclass(frozen=True)
class Point:
    """One thing that may be declared: what it must look like, and how it is observed."""

    form: str
    fits: Callable[[Any], bool]
    observe: Callable[[Observed], Any]
    same: Callable[[Any, Any], bool] = lambda wanted, found: bool(wanted == found)


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip()) and value.isprintable()


def _switch(value: Any) -> bool:
    return isinstance(value, bool)


def _range(value: Any) -> bool:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        return _text(value) and bool(str(SpecifierSet(value)))
    except InvalidSpecifier:
        return False


def _within(wanted: str, found: str) -> bool:
    from packaging.specifiers import SpecifierSet

    return SpecifierSet(wanted).contains(found, prereleases=True)


def _from(wanted: str, found: str) -> bool:
    return wanted in ("any", found)


def _there(wanted: Any, found: Any) -> bool:
    return bool(str(wanted).rstrip("/") == str(found).rstrip("/"))


_RANGE = "a range of versions, such as '>=2.22,<4'"
_SWITCH = "true or false"
_ADDRESS = "an address, without a password"

POINTS: Mapping[str, Point] = {
    "plugin.version": Point(_RANGE, _range, lambda o: o.plugin(), _within),
    "plugin.enabled": Point(_SWITCH, _switch, lambda o: o.enabled()),
    "mlflow.version": Point(_RANGE, _range, lambda o: o.mlflow(), _within),
    "tracking.uri": Point(_ADDRESS, _text, lambda o: o.tracking_uri(), _there),
    "tracking.registry_uri": Point(_ADDRESS, _text, lambda o: o.registry_uri(), _there),
    **{
        f"governance.{name}": Point(
            f"one of {', '.join(SOURCES)}",
            lambda value: value in SOURCES,
            partial(lambda name, o: o.governance(name), name),
            _from,
        )
        for name in GOVERNANCE
    },
    "service.url": Point(_ADDRESS, _text, lambda o: o.url(), _there),
    "service.store_id": Point("the store's id", _text, lambda o: o.store_id()),
    "service.policy": Point("sha256:…", _text, lambda o: o.policy()),
    "service.signing_key": Point("the key's id", _text, lambda o: o.signing_key()),
    "service.schema": Point("the revision, in quotes: '0005'", _text, lambda o: o.schema()),
    "service.write_back": Point(_SWITCH, _switch, lambda o: o.write_back()),
}
"""Everything that an intent file may declare, in the order in which it is told."""


def read_intent(path: Path) -> dict[str, Any]:
    """What a file declares, by `section.name`. BadConfig says what is wrong, and where."""
    try:
        data = path.read_bytes()
        if len(data) > SIZE_LIMIT:
            raise BadConfig(f"{path} has more than {SIZE_LIMIT} bytes", _MEND)
        document = yaml.load(data, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except OSError as error:
        raise BadConfig(f"{path} cannot be read: {error.strerror}", "see --intent") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BadConfig(f"{path} is not YAML: {error}", "mend the line it names") from None
    return dict(_declared(document, path))


def _declared(document: Any, path: Path) -> Iterator[tuple[str, Any]]:
    if not isinstance(document, dict) or document.get("version") != 1:
        raise BadConfig(f"{path} is no intent file of version 1", f"begin with version: 1; {_MEND}")
    if len(document) == 1:
        raise BadConfig(f"{path} declares nothing, so that nothing could drift", _MEND)
    known = sorted({name.partition(".")[0] for name in POINTS})
    for section, values in document.items():
        if section == "version":
            continue
        if section not in known:
            raise BadConfig(f"{path}: unknown section {section!r}", f"one of {', '.join(known)}")
        if not isinstance(values, dict) or not values:
            raise BadConfig(f"{path}: {section} has no names and values", _MEND)
        for name, value in values.items():
            yield _checked(section, name, value, path)


def _checked(section: str, name: Any, value: Any, path: Path) -> tuple[str, Any]:
    place = f"{section}.{name}"
    point = POINTS.get(place)
    if point is None:
        names = [one.partition(".")[2] for one in POINTS if one.startswith(f"{section}.")]
        raise BadConfig(f"{path}: unknown name {place}", f"one of {', '.join(names)}")
    if not point.fits(value):
        raise BadConfig(f"{path}: {place} is {value!r}", f"give {point.form}")
    return place, value


def compare(declared: Mapping[str, Any], place: Place) -> dict[str, Any]:
    """`drifted, findings, unknown, resolved_at`, as for a subject; `was` is what was declared."""
    from datetime import datetime, timezone

    observed = Observed(place, dict(os.environ))
    findings, unknown = [], []
    for name, point in POINTS.items():
        if name not in declared:
            continue
        try:
            found = point.observe(observed)
        except Unknown as error:
            unknown.append({"what": name, "why": str(error)})
            continue
        except EvidenceError as error:
            unknown.append({"what": name, "why": error.detail})
            continue
        if found is None or not point.same(declared[name], found):
            kind = "removed" if found is None else "changed"
            was = declared[name]
            findings.append({"what": name, "kind": kind, "was": was, "is": found})
    at = datetime.now(timezone.utc).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
    drifted = True if findings else None if unknown else False
    told = {"findings": findings, "unknown": unknown, "resolved_at": at}
    return {"drifted": drifted, **told}


class _Loader(yaml.SafeLoader):
    """YAML without the surprise that a key given twice silently wins."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Hashable, Any]:
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
    if len(set(map(repr, keys))) != len(keys):
        raise ValueError("a key stands twice in one place")
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)

__all__ = ["POINTS", "compare", "read_intent"]
