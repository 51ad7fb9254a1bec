"""A bundle and a decision in a few rows of label and value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Row = tuple[str, str]
GOVERNANCE = ("owner", "team", "ticket", "environment", "rollback", "monitoring", "runbook")
MOST = 12
"""Metrics and gaps shown one by one; the rest are counted."""


def summary_rows(bundle: Mapping[str, Any]) -> list[Row]:
    """What a reviewer looks at first: who, what, figures, files, and what is missing."""
    return list(_rows(bundle["record"], bundle))


def decision_rows(decision: Mapping[str, Any]) -> list[Row]:
    """A verdict with every reason and how to mend it."""
    rows = [("verdict", "allowed" if decision["allowed"] else f"blocked ({decision['status']})")]
    rows += [(key, str(decision[key])) for key in ("subject", "environment", "record", "policy")]
    rows.append(("valid until", decision["expires_at"]))
    for kind in ("reasons", "warnings"):
        for one in decision[kind]:
            told = f"{one['found']}\n  asked: {one['asked']}\n  mend: {one['mend']}"
            rows.append((f"{kind[:-1]}: {one['code']}", told))
    for one in decision.get("waived", ()):
        told = f"{one['found']}\n  by: {one['by']}, until {one['expires_at']}\n  {one['reason']}"
        rows.append((f"waived: {one['code']}", told))
    return rows


def _rows(record: Mapping[str, Any], bundle: Mapping[str, Any]) -> Iterator[Row]:
    yield "subject", bundle["subject"]
    if "resolved" in bundle:
        at = bundle["resolved"]
        yield "alias", f"{at['alias']} → version {at['version']} ({at['resolved_at']})"
    yield "record", bundle["digest"]
    run = _values(record, "run")
    if run:
        yield "run", f"{run.get('name', '')} {run['run_id']} ({run['status']})".strip()
        yield "experiment", str(run["experiment"])
    governance = _values(record, "governance")
    for name in GOVERNANCE:
        if name in governance:
            yield name, governance[name]
    commit = _values(record, "code").get("commit")
    yield "code", commit or record["code"].get("absent", "no commit known")
    yield from _metrics(record)
    yield from _files(record)
    secrets = _values(record, "findings").get("secrets", [])
    yield "secrets", f"{len(secrets)} found and masked" if secrets else "none found"
    gaps = [f"{gap['place']}: {gap['reason']}" for gap in record["gaps"]]
    yield "gaps", "\n".join(gaps[:MOST]) or "none"
    yield "signatures", str(len(bundle["statements"]))


def _metrics(record: Mapping[str, Any]) -> Iterator[Row]:
    metrics = _values(record, "metrics")
    for name in sorted(metrics)[:MOST]:
        yield f"metric {name}", metrics[name]["value"]
    if len(metrics) > MOST:
        yield "more metrics", str(len(metrics) - MOST)


def _files(record: Mapping[str, Any]) -> Iterator[Row]:
    for section, label in (("model_files", "model files"), ("outputs", "artifacts")):
        found = _values(record, section).values()
        if found:
            yield label, f"{len(found)} files, {sum(one['size'] for one in found):,} bytes, hashed"


def _values(record: Mapping[str, Any], section: str) -> dict[str, Any]:
    facts = record.get(section, {}).get("facts", {})
    return {name: one["value"] for name, one in facts.items()}
