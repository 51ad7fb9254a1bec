"""The record: a canonical document about one subject, named by the digest of its bytes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from ..errors import BadRecord
from ..snapshot import Artifact, Gap, RunSnapshot, Secret, Snapshot, VersionSnapshot
from . import schema
from .canonical import canonical, digest_of, loads, manifest_root
from .facts import (
    CLAIMED,
    NO_SIGNATURE,
    OBSERVED,
    SERVICE,
    STORE,
    Section,
    absent,
    fact,
    moment,
)
from .sections import SECTIONS, environment_files, files

RELEASE_SECTIONS = ("outputs", "model_files", "metrics", "inputs", "code")
"""What matters to a release. Approvals bind to the digest of these, not to descriptions."""


@dataclass(frozen=True)
class Subject:
    """What a record is about: a run, or a model version, in one store."""

    store: str
    run_id: str | None = None
    model: str | None = None
    version: str | None = None

    @property
    def name(self) -> str:
        """`models/credit/7` or `runs/1b2c…`."""
        return f"models/{self.model}/{self.version}" if self.model else f"runs/{self.run_id}"

    def document(self) -> dict[str, str]:
        """The subject as it stands in a record."""
        if self.model and self.version:
            found = {"kind": "model-version", "name": self.model, "version": self.version}
            return found | {"store": self.store}
        return {"kind": "run", "run_id": self.run_id or "", "store": self.store}


@dataclass(frozen=True)
class Record:
    """Canonical bytes and what they say. Immutable; `digest` is its name."""

    data: bytes = field(repr=False)
    document: dict[str, Any] = field(repr=False)
    digest: str
    subject: Subject

    def facts(self, section: str) -> dict[str, Any]:
        """Facts of a section by name, each `{basis, by, value}`; empty when it is absent."""
        found: dict[str, Any] = self.document.get(section, {}).get("facts", {})
        return found

    def values(self, section: str) -> dict[str, Any]:
        """Values of a section by name; empty when it is absent."""
        return {name: one["value"] for name, one in self.facts(section).items()}

    def value(self, section: str, name: str) -> Any:
        """The value of one fact, or None."""
        return self.facts(section).get(name, {}).get("value")

    def made_at(self, created: str | None) -> bool:
        """Whether it is of the version made then, and not of an earlier namesake; None is unknown.

        A model that was deleted and made again counts its versions from 1 anew.
        """
        return created is None or self.value("version", "created") == created

    def unread(self, place: str) -> str | None:
        """Why what would stand in a place could not be read; None where nothing was in the way."""
        gaps = self.document.get("gaps", [])
        return next((str(one["reason"]) for one in gaps if one["place"] == place), None)

    @property
    def run_id(self) -> str | None:
        """The run this evidence is of, or that the model version came from."""
        found: str | None = self.subject.run_id or self.value("run", "run_id")
        return found

    @property
    def experiment(self) -> str | None:
        """The name of the run's experiment."""
        found: str | None = self.value("run", "experiment")
        return found

    @cached_property
    def release(self) -> str:
        """The release digest: outputs, metrics, inputs and code, and nothing else."""
        return digest_of(canonical({key: self.document.get(key) for key in RELEASE_SECTIONS}))

    @property
    def root(self) -> str:
        """Hex root over the digests of the version's files; for a run, of its artifacts.

        Never of the run's artifacts for a version whose own files could not be read.
        """
        named = self.facts("model_files" if self.subject.model else "outputs")
        return manifest_root(
            Artifact(path, one["value"]["size"], one["value"]["sha256"])
            for path, one in named.items()
        )


def subject_of(snapshot: Snapshot, store: str) -> Subject:
    """Name the subject of a snapshot within a store."""
    if isinstance(snapshot, VersionSnapshot):
        return Subject(store, model=snapshot.name, version=snapshot.version)
    return Subject(store, run_id=snapshot.run_id)


def record_of(snapshot: Snapshot, store: str) -> Record:
    """Make the record of a snapshot. Pure: the same snapshot gives the same bytes."""
    subject = subject_of(snapshot, store)
    document: dict[str, Any] = {"schema": schema.RECORD_V1, "subject": subject.document()}
    source = snapshot.run if isinstance(snapshot, VersionSnapshot) else snapshot
    if source and source is not snapshot:
        source = replace(source, versions=())  # its other versions are no part of this one
    for build in SECTIONS:
        document[build.__name__] = build(source) if source else absent("there is no source run")
    secrets, gaps = snapshot.secrets, snapshot.gaps
    if isinstance(snapshot, VersionSnapshot):
        document["version"] = _version(snapshot)
        document["model_files"] = files(snapshot.files, "no file of the model could be read")
        for one in environment_files(snapshot.files):
            _add(document, "environment", f"model/{one.path}", "sha256:" + one.sha256, SERVICE)
        if snapshot.previous:
            _add(document, "lineage", "previous_version", snapshot.previous, STORE)
        if snapshot.previous_created:
            made = moment(snapshot.previous_created)
            _add(document, "lineage", "previous_created", made, STORE)
        if source:
            secrets, gaps = source.secrets + secrets, source.gaps + gaps
    document["findings"] = _findings(secrets)
    document["gaps"] = _gaps(gaps)
    schema.check(document)
    data = canonical(document)
    return Record(data, document, digest_of(data), subject)


def read(data: bytes) -> Record:
    """Read a record back, from its bytes. BadRecord for what is not one, exactly."""
    document = loads(data)
    schema.check(document)
    if canonical(document) != data:
        raise BadRecord("the record's bytes are not canonical: they were changed or reformatted")
    return _record(data, document)


def read_kept(data: bytes) -> Record:
    """Read a record back that was checked when it was kept: a tenth of the time.

    Its digest is made of the bytes, so that changed ones are another record.
    """
    return _record(data, loads(data))


def _record(data: bytes, document: dict[str, Any]) -> Record:
    stands: dict[str, str] = document["subject"]
    subject = Subject(
        stands["store"], stands.get("run_id"), stands.get("name"), stands.get("version")
    )
    return Record(data, document, digest_of(data), subject)


def _version(of: VersionSnapshot) -> Section:
    observed = {"name": of.name, "version": of.version}
    if of.created:
        observed["created"] = moment(of.created)
    facts = {key: fact(value, OBSERVED, STORE) for key, value in observed.items()}
    told = next((one.signature for one in of.files if one.path == "MLmodel"), None)
    if told is not None:
        facts["signature"] = fact(dict(told) or NO_SIGNATURE, OBSERVED, SERVICE)
    claimed: dict[str, Any] = {
        "run_id": of.run_id,
        "creator": of.creator,
        "source": of.source,
        "description": of.description,
        "tags": {k: v for k, v in of.tags.items() if not k.startswith("evidence.")},
    }
    facts |= {k: fact(v, CLAIMED, "model version's creator") for k, v in claimed.items() if v}
    return {"facts": facts}


def _add(document: dict[str, Any], section: str, name: str, value: str, by: str) -> None:
    known = document[section].get("facts", {})
    document[section] = {"facts": known | {name: fact(value, OBSERVED, by)}}


def _findings(secrets: tuple[Secret, ...]) -> Section:
    ordered = sorted({(s.place, s.kind, s.fingerprint) for s in secrets})
    values = [{"place": p, "kind": k, "fingerprint": f} for p, k, f in ordered]
    return {"facts": {"secrets": fact(values, OBSERVED, SERVICE)}}


def _gaps(gaps: tuple[Gap, ...]) -> list[dict[str, str]]:
    ordered = sorted({(g.place, g.code, g.reason) for g in gaps})
    return [{"place": p, "code": c, "reason": r} for p, c, r in ordered]


__all__ = ["Record", "RunSnapshot", "Subject", "read", "read_kept", "record_of", "subject_of"]
