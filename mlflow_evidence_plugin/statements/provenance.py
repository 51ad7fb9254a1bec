"""SLSA provenance (v1) of a training run, as somebody says it who looked on.

https://slsa.dev/spec/v1.0/provenance: we did not run the training, so that no level is claimed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..errors import BadEnvelope
from ..record import Record
from .form import (
    PREDICATE_LIMIT,
    RECORD_MEDIA_TYPE,
    digest,
    fitting,
    hexadecimal,
    named,
    only,
    opened,
    reading,
    statement,
    text,
)

PROVENANCE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "https://mlflow-evidence.dev/mlflow-run/v1"
OBSERVER = "https://mlflow-evidence.dev/observer/v1"

_ROOM = PREDICATE_LIMIT - 4_000
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_NAMED_DIGEST = re.compile(
    r"(sha256):([0-9a-f]{64})|(sha384):([0-9a-f]{96})|(sha512):([0-9a-f]{128})"
)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@dataclass(frozen=True)
class Provenance:
    """What a provenance statement says. `parameters` is None where it says it left them out."""

    subject: str
    root: str
    record: str
    run_id: str
    parameters: tuple[tuple[str, str], ...] | None


def provenance_statement(record: Record) -> bytes | None:
    """The statement about the run that the subject came from; None if no run is known.

    Parameters, dependencies and facts of the run are left out, the largest first and whole, where
    the predicate would have more than 100 kB. `internalParameters.omitted` then says how many
    entries each had; the record, a byproduct by its digest, holds them all.
    """
    run = record.values("run")
    if not record.run_id or not run:
        return None
    parts = {
        "parameters": record.values("parameters"),
        "dependencies": list(_dependencies(record)),
        "run": {
            name: run[name] for name in ("experiment", "name", "status", "user") if name in run
        },
    }
    kept, omitted = fitting(parts, _ROOM)
    internal: dict[str, Any] = {"run": kept["run"]} if "run" in kept else {}
    if omitted:
        internal["omitted"] = omitted
    external = {"parameters": kept["parameters"]} if "parameters" in kept else {}
    times = (("startedOn", run.get("started")), ("finishedOn", run.get("ended")))
    predicate = {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": external,
            "internalParameters": internal,
            "resolvedDependencies": kept.get("dependencies", []),
        },
        "runDetails": {
            "builder": {"id": OBSERVER},
            "metadata": {"invocationId": record.run_id}
            | {name: at for name, at in times if at and _MOMENT.fullmatch(at)},
            "byproducts": [
                {
                    "name": "record",
                    "digest": named(record.digest),
                    "mediaType": RECORD_MEDIA_TYPE,
                }
            ],
        },
    }
    return statement(record, PROVENANCE, predicate)


def read_provenance(found: Any) -> Provenance:
    """What a parsed statement says; BadEnvelope for any other form, or another's provenance."""
    one = opened(found, PROVENANCE)
    with reading("provenance"):
        definition, details = _definition(one.predicate)
        if details["builder"] != {"id": OBSERVER} or definition["buildType"] != BUILD_TYPE:
            raise BadEnvelope("the provenance is not that of an MLflow run, as we observe one")
        (byproduct,) = details["byproducts"]
        only(byproduct, "name", "digest", "mediaType")
        record = "sha256:" + hexadecimal(only(byproduct["digest"], "sha256")["sha256"])
        told = definition["externalParameters"].get("parameters")
        if told is None and "parameters" not in definition["internalParameters"]["omitted"]:
            raise BadEnvelope("the provenance does not say what became of the parameters")
        return Provenance(
            one.subject,
            one.root,
            digest(record),
            text(details["metadata"]["invocationId"]),
            None if told is None else tuple((k, text(v)) for k, v in sorted(told.items())),
        )


def _definition(predicate: Any) -> tuple[Any, Any]:
    only(predicate, "buildDefinition", "runDetails")
    definition = only(
        predicate["buildDefinition"],
        "buildType",
        "externalParameters",
        "internalParameters",
        "resolvedDependencies",
    )
    return definition, only(predicate["runDetails"], "builder", "metadata", "byproducts")


def _dependencies(record: Record) -> Iterator[dict[str, Any]]:
    """Code, datasets and environment: with a digest only where it is one of a named algorithm."""
    code = record.values("code")
    if code:
        commit = code.get("commit", "")
        found: dict[str, Any] = {"name": "code"}
        if code.get("remote", "").startswith(("https://", "http://")):
            found["uri"] = f"git+{code['remote']}" + (f"@{commit}" if commit else "")
        if _COMMIT.fullmatch(commit):
            found["digest"] = {"gitCommit": commit}
        yield found | {"annotations": {"basis": _basis(record, "code"), **code}}
    for name, dataset in sorted(record.values("inputs").items()):
        told = {key: dataset[key] for key in ("digest", "source_type", "source", "context")}
        told["basis"] = record.facts("inputs")[name]["basis"]
        yield {
            "name": f"dataset/{dataset['name']}",
            **digests(dataset["digest"]),
            "annotations": told,
        }
    for name, one in sorted(record.facts("environment").items()):
        told = {"basis": one["basis"], "by": one["by"], "value": one["value"]}
        yield {"name": f"environment/{name}", **digests(one["value"]), "annotations": told}


def digests(value: str) -> dict[str, dict[str, str]]:
    """in-toto's `digest` for a value that names its algorithm and has its length; else nothing.

    MLflow's own dataset digests are eight digits of an algorithm that it does not name.
    """
    found = _NAMED_DIGEST.fullmatch(value)
    if found is None:
        return {}
    algorithm, hexed = (part for part in found.groups() if part)
    return {"digest": {algorithm: hexed}}


def _basis(record: Record, section: str) -> str:
    return "/".join(sorted({one["basis"] for one in record.facts(section).values()}))
