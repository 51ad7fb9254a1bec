"""What is wrong with statements, signatures, keys and verdicts."""

from __future__ import annotations

import base64
import json
from typing import Any

from mlflow_evidence_plugin.record import canonical, digest_of
from mlflow_evidence_plugin.signing import bundle_of, sign
from mlflow_evidence_plugin.signing.trust import PublicKey, trust_document
from mlflow_evidence_plugin.statements import (
    MODEL_SIGNATURE,
    PAYLOAD_TYPE,
    PROVENANCE,
    RELEASE_EVIDENCE,
    TEST_RESULT,
    VSA,
)
from mlflow_evidence_plugin.statements.decision import DECISION

from .forge import Forge, said
from .good import World

PROD = ("--decision", "prod")
ZERO = "0" * 64
DECOY = {"name": "decoy", "digest": {"sha256": ZERO}}
SCAN = "https://in-toto.io/attestation/vulns/v0.1"


def flipped(text: str) -> str:
    raw = bytearray(base64.b64decode(text))
    raw[len(raw) // 2] ^= 1
    return base64.b64encode(bytes(raw)).decode()


def envelope(change: Any) -> Any:
    """A change of the envelope in a bundle, which anybody can make."""
    return lambda w: w.good.copy().bundle(lambda one: change(one["dsseEnvelope"]))


def material(change: Any) -> Any:
    return lambda w: w.good.copy().bundle(lambda one: change(one["verificationMaterial"]))


def resigned(kind: str, change: Any, *more: str, of: str = "good") -> Any:
    """A change that whoever has the key signs."""
    return lambda w: (getattr(w, of).copy().resign(kind, change), *more)


def judged(change: Any, *more: str, of: str = "good") -> Any:
    """A change of the newest verdict, whose own digest is made to fit."""

    def alter(one: Any) -> None:
        decision = one["predicate"][DECISION]
        change(one["predicate"], decision)
        whole = {name: value for name, value in decision.items() if name != "digest"}
        if "omitted" not in whole:
            decision["digest"] = digest_of(canonical(whole))

    return resigned(VSA, alter, *more, of=of)


def allow(predicate: Any, decision: Any) -> None:
    predicate.update(verificationResult="PASSED", verifiedLevels=[])
    decision.update(allowed=True, status="passed", result="succeeded", state="approved")


def passed_though_denied(predicate: Any, decision: Any) -> None:
    allow(predicate, decision)
    decision["reasons"] = []


def passed_with_reasons_left_out(predicate: Any, decision: Any) -> None:
    allow(predicate, decision)
    decision["omitted"] = {"reasons": len(decision.pop("reasons"))}


def lasting_with_reasons_left_out(predicate: Any, decision: Any) -> None:
    decision["omitted"] = {"reasons": len(decision.pop("reasons"))}
    decision["expires_at"] = "2999-01-01T00:00:00.000Z"


def _inputs(change: Any) -> Any:
    return judged(lambda p, _: p.update(inputAttestations=change(p["inputAttestations"])))


def _named(forge: Forge, kind: str, which: int) -> dict[str, Any]:
    one = forge.envelopes()[forge.places(kind)[which]]
    return {
        "name": kind,
        "digest": {"sha256": digest_of(one)[7:]},
        "mediaType": "application/vnd.dsse.envelope.v1+json",
    }


def _inputs_of_another_record(w: World) -> Forge:
    old = _named(w.good, RELEASE_EVIDENCE, 0)
    keep = [TEST_RESULT, MODEL_SIGNATURE]
    change = _inputs(lambda all_: [one for one in all_ if one["name"] in keep] + [old])
    return change(w)


def _flattered_tests(one: Any) -> None:
    found = one["predicate"]
    found.update(passedTests=found["passedTests"] + found["failedTests"], failedTests=[])
    found["result"] = "WARNED" if found["warnedTests"] else "PASSED"


def _by(w: World, key: Any, hint: str) -> Forge:
    forge = w.good.copy()
    forge.resign(PROVENANCE, lambda _: None, key=key)
    place = forge.places(PROVENANCE)[-1]
    forge.members[forge.names()[place]] = bundle_of(forge.envelopes()[place], hint)
    return forge


def _baseline_of_another_model(w: World) -> Forge:
    """Test result and verdict agree on it, and the rules pass."""
    forge, other = w.good.copy(), w.other.record
    forge.members[f"materials/sha256/{other.digest[7:]}"] = other.data
    verdicts = [said(one) for one in forge.envelopes() if said(one)["predicateType"] == VSA]
    which = next(n for n, one in enumerate(verdicts) if '"prod"' in json.dumps(one))

    def tests(one: Any) -> None:
        baseline = one["predicate"]["configuration"][-1]
        baseline["digest"] = {"sha256": other.digest[7:]}

    def verdict(one: Any) -> None:
        decision = one["predicate"][DECISION]
        forge.members.pop(f"materials/sha256/{decision['baselines']['production'][7:]}")
        decision["baselines"] = {"production": other.digest}
        whole = {name: value for name, value in decision.items() if name != "digest"}
        decision["digest"] = digest_of(canonical(whole))

    return forge.resign(TEST_RESULT, tests, which).resign(VSA, verdict, which)


def _attested(w: World, root: str, key: Any = None) -> Forge:
    """With a scanner's statement, which the log has."""
    subject = [{"name": "x", "digest": {"sha256": root}}]
    told = {"_type": "https://in-toto.io/Statement/v1", "subject": subject}
    scan = canonical(told | {"predicateType": SCAN, "predicate": {}})
    forge = w.good.copy()
    return forge.relog([*forge.envelopes(), sign(scan, PAYLOAD_TYPE, key or w.key)])


def _unlogged(w: World) -> Forge:
    forge = _attested(w, w.good.record.root)
    for name in ("ledger/chain.json", "ledger/checkpoint"):
        forge.members[name] = w.good.members[name]
    return forge


def _trusting(w: World, **times: str) -> Any:
    key = PublicKey.of(w.key.public_pem, **times)
    path = w.given(f"trust-{'-'.join(times)}.json", trust_document([key], w.good.origin))
    return w.good, "--trust", str(path)


def _keys(w: World, name: str, data: bytes, option: str = "--key") -> Any:
    return w.good, option, str(w.given(name, data))


def _flipped_key(w: World) -> bytes:
    lines = w.key.public_pem.decode().split("\n")
    lines[1] = flipped(lines[1])
    return "\n".join(lines).encode()


def _trust(w: World, **changes: Any) -> bytes:
    return json.dumps(json.loads(w.trust.read_bytes()) | changes).encode()


SIGNED = {
    "bad-signature__flipped-byte-in-payload": envelope(
        lambda e: e.update(payload=flipped(e["payload"]))
    ),
    "bad-signature__flipped-byte-in-signature": envelope(
        lambda e: e["signatures"][0].update(sig=flipped(e["signatures"][0]["sig"]))
    ),
    "bad-signature__payload-type-with-non-ascii": envelope(
        lambda e: e.update(payloadType=PAYLOAD_TYPE + "é")
    ),
    "bad-envelope__payload-type-with-half-a-character": envelope(
        lambda e: e.update(payloadType="\ud800")
    ),
    "bad-envelope__two-signatures": envelope(lambda e: e.update(signatures=e["signatures"] * 2)),
    "bad-envelope__no-signature": envelope(lambda e: e.update(signatures=[])),
    "bad-envelope__signature-with-a-certificate": envelope(
        lambda e: e["signatures"][0].update(cert="x")
    ),
    "bad-envelope__no-tlog-entries": material(lambda m: m.pop("tlogEntries")),
    "bad-archive__tlog-entry-that-nobody-checks": material(
        lambda m: m.update(tlogEntries=[{"logIndex": "7"}])
    ),
    "bad-archive__hint-of-another-key": material(lambda m: m.update(publicKey={"hint": ZERO})),
    "bad-envelope__bundle-of-an-unknown-version": lambda w: w.good.copy().bundle(
        lambda one: one.update(mediaType="application/vnd.dev.sigstore.bundle.v0.4+json")
    ),
    "bad-signature__by-a-stranger-among-good-ones": lambda w: _by(w, w.stranger, w.stranger.id),
    "bad-signature__by-a-stranger-who-hints-at-our-key": lambda w: _by(w, w.stranger, w.key.id),
    "bad-signature__wrong-subject": resigned(
        RELEASE_EVIDENCE, lambda s: s["subject"][0].update(name="models/tumour/7")
    ),
    "bad-signature__subject-that-looks-alike": resigned(
        RELEASE_EVIDENCE, lambda s: s["subject"][0].update(name="models/tum\u043eur/6")
    ),
    "bad-signature__wrong-root": resigned(
        RELEASE_EVIDENCE, lambda s: s["subject"][0].update(digest={"sha256": ZERO})
    ),
    "bad-envelope__digest-in-capitals": resigned(
        RELEASE_EVIDENCE,
        lambda s: s["subject"][0]["digest"].update(
            sha256=s["subject"][0]["digest"]["sha256"].upper()
        ),
    ),
    "bad-envelope__subject-with-a-decoy": resigned(
        RELEASE_EVIDENCE, lambda s: s.update(subject=[DECOY, *s["subject"]])
    ),
    "bad-envelope__no-subject": resigned(RELEASE_EVIDENCE, lambda s: s.update(subject=[])),
    "bad-envelope__statement-of-an-unknown-version": resigned(
        RELEASE_EVIDENCE, lambda s: s.update(_type="https://in-toto.io/Statement/v2")
    ),
    "bad-signature__release-of-an-unknown-version": resigned(
        RELEASE_EVIDENCE, lambda s: s.update(predicateType=RELEASE_EVIDENCE.replace("v1", "v2"))
    ),
    "bad-signature__attestation-about-other-files": lambda w: _attested(w, ZERO),
    "bad-signature__stranger-attests-about-other-files": lambda w: _attested(w, ZERO, w.stranger),
    "bad-ledger__attestation-that-is-not-in-the-log": _unlogged,
    "bad-verdict__for-another-environment": lambda w: (w.other, *PROD),
    "bad-verdict__failed": lambda w: (w.denied, *PROD),
    "bad-verdict__expired": lambda w: (w.stale, "--key", str(w.pem), "--decision", "lab"),
    "bad-verdict__of-a-time-to-come": lambda w: (w.early, "--decision", "lab"),
    "bad-verdict__passed-against-the-policy": judged(passed_though_denied, of="denied"),
    "bad-verdict__passed-with-reasons-left-out": judged(passed_with_reasons_left_out, of="denied"),
    "bad-verdict__holds-longer-with-reasons-left-out": judged(lasting_with_reasons_left_out),
    "bad-verdict__holds-longer-than-the-policy-says": judged(
        lambda _, d: d.update(expires_at="2999-01-01T00:00:00.000Z")
    ),
    "bad-verdict__time-that-is-none": judged(lambda _, d: d.update(expires_at="soon")),
    "bad-verdict__without-baselines": judged(lambda _, d: d.pop("baselines")),
    "bad-verdict__omitted-that-is-no-table": judged(lambda _, d: d.update(omitted=7)),
    "bad-verdict__for-an-environment-that-the-policy-has-not": judged(
        lambda _, d: d.update(environment="moon")
    ),
    "bad-verdict__of-another-store": judged(lambda _, d: d.update(store="https://x.example")),
    "bad-verdict__made-from-nothing": _inputs(lambda _: []),
    "bad-verdict__input-that-is-not-there": _inputs(
        lambda all_: [*all_, {**all_[0], "digest": {"sha256": ZERO}}]
    ),
    "bad-verdict__input-called-another-kind": _inputs(
        lambda all_: [all_[0] | {"name": SCAN}, *all_[1:]]
    ),
    "bad-verdict__without-the-release": _inputs(
        lambda all_: [one for one in all_ if one["name"] != RELEASE_EVIDENCE]
    ),
    "bad-verdict__without-the-tests": _inputs(
        lambda all_: [one for one in all_ if one["name"] != TEST_RESULT]
    ),
    "bad-verdict__release-of-an-older-record": _inputs_of_another_record,
    "bad-verdict__tests-flattered": resigned(TEST_RESULT, _flattered_tests, of="denied"),
    "bad-verdict__baseline-of-another-model": _baseline_of_another_model,
    "bad-envelope__levels-that-nobody-verified": judged(
        lambda p, _: p.update(verifiedLevels=["SLSA_BUILD_LEVEL_3"])
    ),
    "bad-envelope__passed-but-denied-within": judged(
        lambda p, _: p.update(verificationResult="PASSED", verifiedLevels=[]), of="denied"
    ),
    "key-out-of-time__key-not-yet-in-use": lambda w: _trusting(
        w, not_before="2999-01-01T00:00:00.000Z"
    ),
    "key-out-of-time__key-no-longer-in-use": lambda w: _trusting(
        w, not_after="2001-01-01T00:00:00.000Z"
    ),
    "no-trust__no-key": lambda w: (w.good, "--no-keys"),
    "no-trust__trust-document-without-keys": lambda w: _keys(
        w, "no-keys.json", _trust(w, keys=[]), "--trust"
    ),
    "bad-signature__another-key": lambda w: _keys(w, "other.pem", w.stranger.public_pem),
    "bad-config__flipped-byte-in-key": lambda w: _keys(w, "flipped.pem", _flipped_key(w)),
    "bad-config__private-key-given": lambda w: _keys(
        w, "private.pem", w.stranger.signer.private_bytes
    ),
    "bad-config__trust-document-of-an-unknown-version": lambda w: _keys(
        w, "v2.json", _trust(w, schema="https://mlflow-evidence.dev/trust/v2"), "--trust"
    ),
}
