"""The sections of a record as tables. One line in `PARTS` a section; any other is shown plainly."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .text import plain

Row = tuple[str, ...]
Facts = Mapping[str, Mapping[str, Any]]

BASIS = {
    "claimed": "claimed by the {by}",
    "observed": "observed by the {by}",
    "attested": "attested by the {by}",
}


@dataclass(frozen=True)
class Part:
    """A section as it is shown: a table with its caption, or the reason why there is none."""

    id: str
    title: str
    columns: Row = ()
    rows: Sequence[Row] = ()
    basis: str = ""
    absent: str = ""


@dataclass(frozen=True)
class Layout:
    """How a section becomes a table: its title, its columns, and a fact's row."""

    title: str
    columns: Row
    row: Callable[[str, Any], Row]


def _named(name: str, value: Any) -> Row:
    return name, plain(value)


def _file(name: str, value: Any) -> Row:
    return name, f"{value['size']:,}", f"sha256:{value['sha256']}"


def _input(_: str, value: Any) -> Row:
    return tuple(plain(value[k]) for k in ("name", "digest", "context", "source_type", "source"))


def _model(name: str, value: Any) -> Row:
    known = plain(value.get("status") or value.get("version", ""))
    return name, value["kind"], value["name"], known


NAMED = ("Name", "Value")
FILES = ("Path", "Bytes", "SHA-256")
PARTS = {
    "version": Layout("Model version", NAMED, _named),
    "run": Layout("Run", NAMED, _named),
    "governance": Layout("Governance", NAMED, _named),
    "parameters": Layout("Parameters", NAMED, _named),
    "tags": Layout("Tags", NAMED, _named),
    "code": Layout("Code", NAMED, _named),
    "environment": Layout("Environment", NAMED, _named),
    "compute": Layout("Compute", NAMED, _named),
    "inputs": Layout("Inputs", ("Dataset", "Digest", "Context", "Source type", "Source"), _input),
    "model_files": Layout("Model files", FILES, _file),
    "outputs": Layout("Artifacts", FILES, _file),
    "models": Layout("Models", ("Id", "Kind", "Name", "Status or version"), _model),
    "lineage": Layout("Lineage", NAMED, _named),
    "cost": Layout("Cost", NAMED, _named),
}
"""Sections in the order shown, after verdicts and metrics. `metrics`, `history`, `findings` and
`gaps` have words of their own."""

_OWN = {"schema", "subject", "metrics", "history", "findings", "gaps"}


def parts(record: Mapping[str, Any]) -> list[Part]:
    """Every section of a record, also one that this version does not know yet."""
    more = [name for name in sorted(record) if name not in PARTS and name not in _OWN]
    return [_part(name, record[name]) for name in (*PARTS, *more) if name in record]


def metrics(record: Mapping[str, Any]) -> Part:
    """The latest value of each metric, with the figures of its history."""
    history = values(record, "history")
    columns = ("Metric", "Latest", "Step", "Points", "Min", "Max")
    rows = []
    for name, one in sorted(values(record, "metrics").items()):
        figures = history.get(name, {})
        told = (one.get("step"), figures.get("count"), figures.get("min"), figures.get("max"))
        rows.append((name, one["value"], *map(plain, told)))
    found = record.get("metrics", {})
    return Part("metrics", "Metrics", columns, rows, _basis(found), found.get("absent", ""))


def gaps(record: Mapping[str, Any]) -> Part:
    """What should have been read and could not be."""
    rows = [(one["place"], one["reason"], one["code"]) for one in record["gaps"]]
    return Part("gaps", "Gaps", ("Place", "Reason", "Code"), rows, absent="everything was read")


def findings(record: Mapping[str, Any]) -> Part:
    """Secrets that were found; their values were never kept."""
    found = values(record, "findings").get("secrets", [])
    rows = [(one["place"], one["kind"], one["fingerprint"]) for one in found]
    columns = ("Place", "Kind", "Fingerprint")
    none = "no pattern of a secret was found"
    return Part("secrets", "Secrets found and masked", columns, rows, absent=none)


def values(record: Mapping[str, Any], section: str) -> dict[str, Any]:
    """A section's facts by name, each its value alone; empty where it is absent."""
    return {name: one["value"] for name, one in record.get(section, {}).get("facts", {}).items()}


def _part(name: str, section: Any) -> Part:
    layout = PARTS.get(name) or Layout(name.replace("_", " ").capitalize(), NAMED, _named)
    if not isinstance(section, dict) or "facts" not in section:
        reason = section.get("absent", "") if isinstance(section, dict) else plain(section)
        return Part(name, layout.title, absent=reason)
    facts: Facts = section["facts"]
    columns, rows = layout.columns, [layout.row(n, f["value"]) for n, f in sorted(facts.items())]
    basis = _basis(section)
    if not basis:  # who says so differs from fact to fact: then each says it
        said = [_said(fact) for _, fact in sorted(facts.items())]
        columns = (*columns, "Basis")
        rows = [(*row, by) for row, by in zip(rows, said, strict=True)]
    return Part(name, layout.title, columns, rows, basis)


def _basis(section: Mapping[str, Any]) -> str:
    said = {_said(fact) for fact in section.get("facts", {}).values()}
    return said.pop() if len(said) == 1 else ""


def _said(fact: Mapping[str, Any]) -> str:
    return BASIS.get(fact["basis"], "{by}").format(by=fact["by"])


__all__ = ["PARTS", "Part", "findings", "gaps", "metrics", "parts", "values"]
