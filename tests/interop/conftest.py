"""What the service really emits, for programs that are not ours."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mlflow_evidence_plugin.approval import Approval, Waiver
from mlflow_evidence_plugin.policy import Case, evaluate
from mlflow_evidence_plugin.policy.decision import rfc3339
from mlflow_evidence_plugin.record import Record, canonical, digest_of, read
from mlflow_evidence_plugin.signing import SigningKey, bundle_of, sign
from mlflow_evidence_plugin.statements import (
    APPROVAL,
    MODEL_SIGNATURE,
    PAYLOAD_TYPE,
    TEST_RESULT,
    VSA,
    WAIVER,
)
from mlflow_evidence_plugin.statements.approval import approval_statement, waiver_statement
from mlflow_evidence_plugin.statements.decision import (
    test_result_statement as stated_tests,
)
from mlflow_evidence_plugin.statements.decision import (
    verification_summary,
)
from mlflow_evidence_plugin.statements.tombstone import TOMBSTONE, tombstone_statement
from tests.unit import samples

FILES = {
    "model/MLmodel": "artifact_path: model\n",
    "model/weights.bin": "\0\1\2" * 1000,
    "model/code/train.py": "print('trained')\n",
    "model/.gitattributes": "*.bin filter=lfs\n",
    "model/größe ☃.txt": "Schnee\n",
}
"""`.gitattributes` matters: whoever ignores it, as git's own, covers less than the model."""


@dataclass(frozen=True)
class Emitted:
    """One captured model version: its record, envelopes by predicate type, key and files."""

    record: Record
    envelopes: dict[str, bytes]
    key: SigningKey
    public: Path
    model: Path

    def statement(self, kind: str) -> Any:
        return json.loads(base64.b64decode(json.loads(self.envelopes[kind])["payload"]))

    def bundles(self, folder: Path) -> dict[str, Path]:
        """Every statement as a sigstore bundle, in files by predicate type."""
        found = {}
        for index, (kind, envelope) in enumerate(self.envelopes.items()):
            found[kind] = folder / f"{index}.sigstore.json"
            found[kind].write_bytes(bundle_of(envelope, self.key.id))
        return found


@pytest.fixture(scope="session")
def emit(service, admin, maker, tmp_path_factory) -> Callable[..., Emitted]:
    """Captures a version with these files over REST, decides on it, and fetches the model."""
    import mlflow

    def make(files: dict[str, str]) -> Emitted:
        model = maker.new_name("interop")
        run_id = maker.run(files=files)
        version = maker.version(model, run_id)
        digest = admin.capture(model=model, version=version).json["digest"]
        bundle = admin.get(f"/v1/bundles/{digest}").json
        envelopes = {}
        for one in bundle["statements"]:
            kind = json.loads(base64.b64decode(one["payload"]))["predicateType"]
            envelopes[kind] = canonical(one)
        record = read(canonical(bundle["record"]))
        key = SigningKey.load(service.settings.signing_key)
        policy = service.evidence.deciding.policy
        decision = evaluate(policy, policy.environment("lab"), Case(record), samples.NOW)
        inputs = [(kind, digest_of(data)) for kind, data in envelopes.items()]
        at = rfc3339(samples.NOW)
        word = ("rita", "risk", "observed", "approved", record.release, at)
        waived = ("tracked-run", "lab", record.release, "paul", "a drill", at, at)
        for kind, told in (
            (TEST_RESULT, stated_tests(record, decision, policy)),
            (VSA, verification_summary(record, decision, inputs)),
            (APPROVAL, approval_statement(record, Approval("", *word))),
            (WAIVER, waiver_statement(record, Waiver("", *waived))),
            (TOMBSTONE, tombstone_statement(record, "a leak", "ana", at, [record.digest])),
        ):
            envelopes[kind] = sign(told, PAYLOAD_TYPE, key)
        folder = tmp_path_factory.mktemp("model")
        public = folder / "public.pem"
        public.write_bytes(key.public_pem)
        fetched = mlflow.artifacts.download_artifacts(
            run_id=run_id,
            artifact_path="model",
            dst_path=str(folder),
            tracking_uri=service.settings.tracking_uri,
        )
        return Emitted(record, envelopes, key, public, Path(fetched))

    return make


@pytest.fixture(scope="session")
def emitted(emit) -> Emitted:
    found = emit(FILES)
    assert MODEL_SIGNATURE in found.envelopes
    return found


def tampered(envelope: bytes) -> bytes:
    """A twin whose payload says something else by one letter, with the true signature."""
    document = json.loads(envelope)
    payload = base64.b64decode(document["payload"])
    assert b"interop" in payload
    changed = payload.replace(b"interop", b"interoq", 1)
    return canonical(document | {"payload": base64.b64encode(changed).decode()})
