"""Timestamps as others see them: sigstore-js and `openssl ts` on what we keep."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from mlflow_evidence_plugin.signing import bundle_of, open_bundle
from mlflow_evidence_plugin.signing.timestamp import Question
from mlflow_evidence_plugin.statements import READERS
from tests.authority import Authority, openssl
from tests.interop.test_sigstore_js import HERE, pytestmark

__all__ = ["pytestmark"]

SCRIPT = """
const crypto = require("node:crypto");
const fs = require("node:fs");
const { bundleFromJSON } = require("@sigstore/bundle");
const { Verifier, toSignedEntity, toTrustMaterial } = require("@sigstore/verify");
const [pem, own, root, ...files] = process.argv.slice(1);
const rawBytes = (path) => new crypto.X509Certificate(fs.readFileSync(path)).raw;
const certificates = [own, root].map((path) => ({ rawBytes: rawBytes(path) }));
const tsa = { certChain: { certificates } };
const trusted = { certificateAuthorities: [], timestampAuthorities: [tsa], tlogs: [], ctlogs: [] };
const publicKey = crypto.createPublicKey(fs.readFileSync(pem));
const material = toTrustMaterial(trusted, () => ({ publicKey, validFor: () => true }));
const asked = { tlogThreshold: 0, timestampThreshold: 1, ctlogThreshold: 0 };
for (const file of files) {
  const entity = toSignedEntity(bundleFromJSON(JSON.parse(fs.readFileSync(file, "utf8"))));
  new Verifier(material, asked).verify(entity);
  console.log(`ok ${file}`);
}
"""


def node(pem: Path, tsa: Authority, *files: Path) -> subprocess.CompletedProcess[str]:
    command = ["node", "-e", SCRIPT, *map(str, (pem, tsa.own, tsa.root, *files))]
    return subprocess.run(command, capture_output=True, text=True, cwd=HERE, timeout=60)


@pytest.fixture(scope="module")
def tsa(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tsa") / "one")


@pytest.fixture(scope="module")
def stamped(emitted, tsa, tmp_path_factory) -> list[Path]:
    """Every statement as a bundle with its timestamp."""
    folder, found = tmp_path_factory.mktemp("stamped"), []
    for index, kind in enumerate(READERS):
        envelope = emitted.envelopes[kind]
        token = tsa.stamp(Question.about(envelope).data)
        found.append(folder / f"{index}.sigstore.json")
        found[-1].write_bytes(bundle_of(envelope, emitted.key.id, [token]))
    return found


def test_sigstore_js_asks_for_a_timestamp_and_takes_ours(emitted, tsa, stamped):
    done = node(emitted.public, tsa, *stamped)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"ok {path}" for path in stamped]


def test_it_refuses_another_authority_another_signature_s_and_none(emitted, tsa, stamped, tmp_path):
    assert "TIMESTAMP_ERROR" in node(emitted.public, Authority(tmp_path / "o"), stamped[0]).stderr
    envelope, hint, _ = open_bundle(stamped[0].read_bytes())
    swapped = open_bundle(stamped[1].read_bytes())[2]
    for name, tokens in (("swapped", swapped), ("none", ())):
        (tmp_path / name).write_bytes(bundle_of(envelope, hint, tokens))
        done = node(emitted.public, tsa, tmp_path / name)
        assert done.returncode == 1
        assert "TIMESTAMP_ERROR" in done.stderr, done.stderr


def test_openssl_takes_what_a_bundle_carries(tsa, stamped, tmp_path):
    assert shutil.which("openssl")
    document = json.loads(stamped[0].read_bytes())
    (one,) = document["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"]
    (tmp_path / "reply").write_bytes(base64.b64decode(one["signedTimestamp"]))
    signature = base64.b64decode(document["dsseEnvelope"]["signatures"][0]["sig"])
    for data, code in ((signature, 0), (signature + b"0", 1)):
        (tmp_path / "signature").write_bytes(data)
        words = ("-in", tmp_path / "reply", "-data", tmp_path / "signature")
        done = openssl("ts", "-verify", *words, "-CAfile", tsa.root, "-untrusted", tsa.own)
        assert done.returncode == code, done.stderr
