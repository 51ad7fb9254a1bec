"""The identity of a registry entry as a package URL.

https://github.com/package-url/purl-spec: the type `mlflow` names the registry by `repository_url`,
so that a statement about a version of one store is worth nothing in another.
"""

from __future__ import annotations

from urllib.parse import quote

from ..record import Record


def purl(record: Record) -> str:
    """`pkg:mlflow/<name>@<version>?repository_url=<store>&run_id=<run>`.

    A run without a model has its id in the place of the name, and no version.
    """
    subject = record.subject
    at = f"@{quote(subject.version, safe=':')}" if subject.version else ""
    qualifiers = {"repository_url": subject.store, "run_id": record.run_id}
    told = "&".join(f"{k}={quote(v, safe=':/')}" for k, v in qualifiers.items() if v)
    name = quote(subject.model or subject.run_id or "", safe=":")
    return f"pkg:mlflow/{name}{at}" + (f"?{told}" if told else "")
