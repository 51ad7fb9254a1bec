"""The ML-BOM: CycloneDX 1.6, the model with its model card, files and datasets.

Made as plain JSON: the object model of cyclonedx-python-lib has no model card.
https://cyclonedx.org/docs/1.6/json/
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import BadEnvelope
from ..record import Record
from .form import PREDICATE_LIMIT, digest, fitting, hexadecimal, opened, reading, statement, text
from .provenance import digests
from .purl import purl

BOM = "https://cyclonedx.org/bom"
_SPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://mlflow-evidence.dev/bom/v1")
_OWN, _MLFLOW = "mlflow-evidence", "mlflow"
_ALGORITHMS = {"sha256": "SHA-256", "sha384": "SHA-384", "sha512": "SHA-512"}
_ROOM = PREDICATE_LIMIT - 6_000
_MODEL = "model"

Property = dict[str, str]


@dataclass(frozen=True)
class Bom:
    """What an ML-BOM says. `metrics` or `files` are None where it says it left them out."""

    subject: str
    root: str
    record: str
    purl: str
    metrics: tuple[tuple[str, str], ...] | None
    files: tuple[tuple[str, str], ...] | None


def bom_statement(record: Record) -> bytes:
    """Canonical bytes of the statement whose predicate is the ML-BOM."""
    return statement(record, BOM, bom_document(record))


def bom_document(record: Record) -> dict[str, Any]:
    """The ML-BOM: the same for the same record, its serial number made of the record's digest.

    Metrics, parameters, files, datasets and governance are left out, the largest first and whole,
    where the document would have more than 100 kB. A property `mlflow-evidence:omitted:<part>`
    then says how many entries that part had; the record, named by its digest, holds them all.
    """
    kept, omitted = fitting(
        {
            "metrics": _metrics(record),
            "parameters": _properties(f"{_MLFLOW}:parameter", record.values("parameters")),
            "governance": _properties(f"{_OWN}:governance", record.values("governance")),
            "code": _properties(f"{_OWN}:code", record.values("code")),
            "files": _files(record),
            "datasets": _datasets(record),
        },
        _ROOM,
    )
    datasets = kept.get("datasets", [])
    refs = [one["bom-ref"] for one in datasets]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": serial(record.digest),
        "version": 1,
        "metadata": {
            "tools": {"components": [{"type": "application", "name": "mlflow-evidence-plugin"}]},
            "component": _component(record, kept, omitted),
        },
        "components": datasets,
        "dependencies": [{"ref": _MODEL, "dependsOn": refs}, *({"ref": ref} for ref in refs)],
    }


def serial(record: str) -> str:
    """The serial number of the BOM of the record with this digest."""
    return f"urn:uuid:{uuid.uuid5(_SPACE, record)}"


def read_bom(found: Any) -> Bom:
    """What a parsed statement says; BadEnvelope for any other form, or a BOM that is not ours."""
    one = opened(found, BOM)
    with reading("ML-BOM"):
        document, component = one.predicate, one.predicate["metadata"]["component"]
        if (document["bomFormat"], document["specVersion"]) != ("CycloneDX", "1.6"):
            raise BadEnvelope("the predicate is not a CycloneDX 1.6 document")
        said = {each["name"]: each["value"] for each in component["properties"]}
        record = digest(said[f"{_OWN}:record"])
        if document["serialNumber"] != serial(record):
            raise BadEnvelope("the BOM's serial number is not that of the record it names")
        measured = component["modelCard"].get("quantitativeAnalysis", {}).get("performanceMetrics")
        files = component.get("components")
        for part, value in (("metrics", measured), ("files", files)):
            if value is None and f"{_OWN}:omitted:{part}" not in said:
                raise BadEnvelope(f"the BOM does not say what became of the {part}")
        return Bom(
            one.subject,
            one.root,
            record,
            text(component["purl"]),
            None if measured is None else tuple((m["type"], text(m["value"])) for m in measured),
            None if files is None else tuple(map(_file, files)),
        )


def _file(component: Any) -> tuple[str, str]:
    (sha256,) = component["hashes"]
    if component["type"] != "file" or sha256["alg"] != "SHA-256":
        raise BadEnvelope("a file of the BOM has no SHA-256")
    return text(component["name"]), hexadecimal(sha256["content"])


def _component(
    record: Record, kept: Mapping[str, Any], omitted: Mapping[str, int]
) -> dict[str, Any]:
    subject = record.subject
    told = {
        "record": record.digest,
        "root": f"sha256:{record.root}",
        "subject": subject.name,
        "store": subject.store,
        "gaps": str(len(record.document["gaps"])),
        **{f"omitted:{part}": str(count) for part, count in omitted.items()},
    }
    card: dict[str, Any] = {"properties": kept.get("parameters", [])}
    if "metrics" in kept:
        card["quantitativeAnalysis"] = {"performanceMetrics": kept["metrics"]}
    if kept.get("datasets"):
        refs = [{"ref": one["bom-ref"]} for one in kept["datasets"]]
        card["modelParameters"] = {"datasets": refs}
    found: dict[str, Any] = {
        "type": "machine-learning-model",
        "bom-ref": _MODEL,
        "name": subject.model or subject.name,
        "purl": purl(record),
        "modelCard": card,
        "properties": _properties(_OWN, told) + kept.get("governance", []) + kept.get("code", []),
    }
    if subject.version:
        found["version"] = subject.version
    if "files" in kept:
        found["components"] = kept["files"]
    return found


def _metrics(record: Record) -> list[dict[str, str]]:
    measured = sorted(record.values("metrics").items())
    return [{"type": name, "value": one["value"]} for name, one in measured]


def _files(record: Record) -> list[dict[str, Any]]:
    """The files that the subject's root is made of, and no others."""
    section = "model_files" if record.subject.model else "outputs"
    return [
        {
            "type": "file",
            "bom-ref": f"file/{path}",
            "name": path,
            "hashes": [{"alg": "SHA-256", "content": one["sha256"]}],
        }
        for path, one in sorted(record.values(section).items())
    ]


def _datasets(record: Record) -> list[dict[str, Any]]:
    return [_dataset(key, one) for key, one in sorted(record.values("inputs").items())]


def _dataset(key: str, one: Mapping[str, str]) -> dict[str, Any]:
    told = {name: one[name] for name in ("digest", "source_type", "source", "context")}
    found: dict[str, Any] = {
        "type": "data",
        "bom-ref": f"dataset/{key}",
        "name": one["name"],
        "data": [{"type": "dataset", "name": one["name"]}],
        "properties": _properties(f"{_MLFLOW}:dataset", told),
    }
    hashes = digests(one["digest"]).get("digest", {})
    if hashes:
        found["hashes"] = [{"alg": _ALGORITHMS[a], "content": h} for a, h in hashes.items()]
    return found


def _properties(prefix: str, values: Mapping[str, str]) -> list[Property]:
    return [{"name": f"{prefix}:{name}", "value": value} for name, value in sorted(values.items())]
