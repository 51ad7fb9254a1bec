"""An archive taken apart, to be put together again as a liar would: with or without the key."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from mlflow_evidence_plugin.ledger import (
    Checkpoint,
    Count,
    Leaf,
    count_name,
    merkle,
    subject_digest,
)
from mlflow_evidence_plugin.record import Record, canonical, digest_of, read
from mlflow_evidence_plugin.service.archive import zipped
from mlflow_evidence_plugin.signing import (
    SigningKey,
    bundle_of,
    open_bundle,
    sign,
    sign_note,
)
from mlflow_evidence_plugin.statements import NAMES, PAYLOAD_TYPE, TEST_RESULT, VSA
from mlflow_evidence_plugin.statements.decision import DECISION

Change = Callable[[Any], Any]
BEFORE = 5
"""Leaves of others in the log, before those of the subject and behind them."""


@dataclass
class Forge:
    """The members of an archive, and the key of whoever signed it."""

    members: dict[str, bytes]
    key: SigningKey = field(repr=False)

    def copy(self) -> Forge:
        return Forge(dict(self.members), self.key)

    @property
    def record(self) -> Record:
        return read(self.members[f"materials/sha256/{self.manifest['record'][7:]}"])

    @property
    def manifest(self) -> dict[str, Any]:
        return json.loads(self.members["archive.json"])

    @property
    def origin(self) -> str:
        return self.members["ledger/checkpoint"].decode().partition("\n")[0]

    def zip(self) -> bytes:
        return b"".join(zipped(self.members.items()))

    def names(self) -> list[str]:
        return sorted(name for name in self.members if name.startswith("attestations/"))

    def envelopes(self) -> list[bytes]:
        return [open_bundle(self.members[name])[0] for name in self.names()]

    def places(self, kind: str) -> list[int]:
        """Where the statements of a kind stand in the log of the subject."""
        return [n for n, one in enumerate(self.envelopes()) if said(one)["predicateType"] == kind]

    def edit(self, name: str, change: Change) -> Forge:
        """Change a JSON member; None from `change` keeps what it changed in place."""
        document = json.loads(self.members[name])
        made = change(document)
        document = document if made is None else made
        compact = json.dumps(document, separators=(",", ":"), sort_keys=True).encode()
        self.members[name] = compact
        return self

    def bundle(self, change: Change, place: int = 0) -> Forge:
        """Change a statement's bundle, as anybody can."""
        return self.edit(self.names()[place], change)

    def resign(self, kind: str, change: Change, which: int = -1, key: Any = None) -> Forge:
        """Change a statement and sign it anew; verdicts name the new one, and so does the log."""
        place = self.places(kind)[which]
        statement = said(self.envelopes()[place])
        made = change(statement)
        payload = canonical(statement) if made is None else made
        return self.put(place, sign(payload, PAYLOAD_TYPE, key or self.key))

    def put(self, place: int, envelope: bytes) -> Forge:
        """Another envelope in a statement's place, and everywhere that it is named."""
        envelopes = self.envelopes()
        renamed = {digest_of(envelopes[place])[7:]: digest_of(envelope)[7:]}
        envelopes[place] = envelope
        for n, one in enumerate(envelopes):
            if n == place or _kind(one) not in (VSA, TEST_RESULT):
                continue
            told = was = json.dumps(said(one))
            for old, new in renamed.items():
                told = told.replace(old, new)
            if told != was:
                envelopes[n] = sign(canonical(_fitted(json.loads(told))), PAYLOAD_TYPE, self.key)
                renamed[digest_of(one)[7:]] = digest_of(envelopes[n])[7:]
        return self.relog(envelopes)

    def relog(self, envelopes: Iterable[bytes], origin: str | None = None) -> Forge:
        """The same archive with these statements, in a log that has them, signed by the key."""
        envelopes = list(envelopes)
        self.restate(envelopes)
        leaves, before = [], None
        subject = subject_digest(self.record.subject)
        for sequence, one in enumerate(envelopes):
            leaf = Leaf(subject, sequence, before, digest_of(one))
            before = leaf.digest
            leaves.append(leaf)
        return self.log(leaves, origin)

    def log(self, leaves: list[Leaf], origin: str | None = None, more: int = BEFORE) -> Forge:
        others = [merkle.leaf_hash(bytes([n])) for n in range(BEFORE + more)]
        hashes = others[:BEFORE] + [leaf.hash for leaf in leaves] + others[BEFORE:]
        nodes = merkle.grown(0, {}, hashes)
        head = Checkpoint(origin or self.origin, len(hashes), merkle.root((0, len(hashes)), nodes))
        entries = []
        for index, leaf in enumerate(leaves, BEFORE):
            ranges = merkle.inclusion(index, len(hashes))
            proof = [base64.b64encode(merkle.root(one, nodes)).decode() for one in ranges]
            entries.append({"index": index, "leaf": vars(leaf), "proof": proof})
        self.members["ledger/chain.json"] = canonical(entries)
        self.members["ledger/checkpoint"] = sign_note(head.text, head.origin, self.key).encode()
        return self.count(Count(head, subject_digest(self.record.subject), len(leaves)))

    def count(self, told: Count, key: SigningKey | None = None) -> Forge:
        """A count of the subject's leaves, signed."""
        note = sign_note(told.text, count_name(told.head.origin), key or self.key)
        self.members["ledger/count"] = note.encode()
        return self

    def restate(self, envelopes: list[bytes], hint: str | None = None) -> Forge:
        """The same archive with these statements, and a log that knows nothing of it."""
        for name in self.names():
            del self.members[name]
        for place, one in enumerate(envelopes):
            name = NAMES.get(_kind(one), "attestation")
            made = bundle_of(one, hint or self.key.id)
            self.members[f"attestations/{place:06d}-{name}.sigstore.json"] = made
        self.members["attestations.intoto.jsonl"] = b"".join(one + b"\n" for one in envelopes)
        verdicts = {
            said(one)["predicate"]["https://mlflow-evidence.dev/decision/v1"]["environment"]: one
            for one in envelopes
            if _kind(one) == VSA and "https://mlflow-evidence.dev/decision/v1" in str(said(one))
        }
        for copy in [name for name in self.members if name.endswith(".dsse.json")]:
            if one := verdicts.get(copy.removeprefix("vsa-").removesuffix(".dsse.json")):
                self.members[copy] = one
            else:
                del self.members[copy]
        return self


def said(envelope: bytes) -> Any:
    """The statement in an envelope."""
    return json.loads(base64.b64decode(json.loads(envelope)["payload"]))


def _fitted(statement: Any) -> Any:
    """The statement; the digest of a verdict in it is made to fit."""
    decision = statement["predicate"].get(DECISION)
    if isinstance(decision, dict) and "omitted" not in decision:
        whole = {name: value for name, value in decision.items() if name != "digest"}
        decision["digest"] = digest_of(canonical(whole))
    return statement


def _kind(envelope: bytes) -> str:
    try:
        return str(said(envelope)["predicateType"])
    except (ValueError, KeyError, RecursionError):
        return "junk"
