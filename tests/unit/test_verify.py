"""Offline verification: a bundle holds, and every altered twin of it does not."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from mlflow_evidence_plugin.record import canonical
from mlflow_evidence_plugin.signing import Keyring, SigningKey, sign
from mlflow_evidence_plugin.statements import PAYLOAD_TYPE, release_statement
from mlflow_evidence_plugin.verify import verify_bundle
from tests.unit import samples


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    return SigningKey.create(tmp_path_factory.mktemp("key") / "k.pem")


@pytest.fixture(scope="module")
def trusted(key):
    return Keyring.of([key.public_pem])


def bundle(key, record=None, about=None):
    record = record or samples.record()
    envelope = sign(release_statement(about or record), PAYLOAD_TYPE, key)
    return {
        "digest": record.digest,
        "statements": [json.loads(envelope)],
        "record": json.loads(record.data),
    }


def resigned(key, **changes):
    """A bundle whose statement was changed before it was signed by the true key."""
    found = bundle(key)
    statement = json.loads(release_statement(samples.record()))
    for path, value in changes.items():
        at = statement
        *steps, last = path.split("__")
        for step in steps:
            at = at[int(step) if step.isdigit() else step]
        at[last] = value
    found["statements"] = [json.loads(sign(canonical(statement), PAYLOAD_TYPE, key))]
    return found


def test_a_bundle_holds_and_says_what_it_does_not_prove(key, trusted):
    report = verify_bundle(json.dumps(bundle(key)).encode(), trusted)
    assert report.passed
    assert [c.name for c in report.checks] == ["bundle", "record", "signature 0", "statement 0"]
    assert any("completeness: unwitnessed" in one for one in report.unproven)


def _metric(found, value):
    found["record"]["metrics"]["facts"]["auc"]["value"]["value"] = value


def _with(change):
    def alter(key):
        found = bundle(key)
        change(found)
        return found

    return alter


def test_what_nobody_signed_is_said_to_be_unproven(key, trusted):
    found = bundle(key) | {"captured_at": "1999", "approved": True}
    report = verify_bundle(json.dumps(found).encode(), trusted)
    assert report.passed
    assert any("'approved', 'captured_at'" in one for one in report.unproven)


DECOY = {"name": "decoy", "digest": {"sha256": "0" * 64}}
CORPUS = {
    "bad-record__metric-changed": _with(lambda b: _metric(b, "0.99")),
    "bad-record__digest-of-another": _with(lambda b: b.update(digest="sha256:" + "0" * 64)),
    "bad-record__subject-of-another": _with(lambda b: b.update(subject="models/other/9")),
    "bad-record__digest-that-is-none": _with(lambda b: b.update(digest="\ud800")),
    "bad-record__no-record": _with(lambda b: b.pop("record")),
    "bad-record__section-dropped": _with(lambda b: b["record"].pop("gaps")),
    "bad-record__no-digest": _with(lambda b: b.pop("digest")),
    "bad-record__huge-integer": _with(
        lambda b: b["record"]["metrics"]["facts"]["auc"]["value"].update(step=2**70)
    ),
    "bad-signature__no-statement": _with(lambda b: b.update(statements=[])),
    "bad-signature__statement-of-another-record": lambda key: bundle(
        key, about=samples.record({"auc": 0.1})
    ),
    "bad-signature__statement-of-another-version": lambda key: bundle(
        key, about=samples.record(number="8")
    ),
    "bad-signature__wrong-root": lambda key: resigned(key, subject__0__digest={"sha256": "0" * 64}),
    "bad-signature__wrong-subject": lambda key: resigned(key, subject__0__name="models/other/1"),
    "bad-signature__wrong-release": lambda key: resigned(
        key, predicate__release="sha256:" + "0" * 64
    ),
    "bad-envelope__subject-with-a-decoy": lambda key: resigned(
        key,
        subject=[DECOY, {"name": "x", "digest": {"sha256": samples.record().root}}],
    ),
    "bad-envelope__other-predicate": lambda key: resigned(
        key, predicateType="https://slsa.dev/provenance/v1"
    ),
    "bad-envelope__other-statement": lambda key: resigned(
        key, _type="https://in-toto.io/Statement/v0.1"
    ),
    "bad-envelope__predicate-not-an-object": lambda key: resigned(key, predicate="x"),
    "bad-envelope__digest-not-text": lambda key: resigned(key, predicate__release=7),
    "bad-envelope__envelope-not-an-object": _with(lambda b: b.update(statements=["x"])),
}


@pytest.mark.parametrize("name", CORPUS)
def test_an_altered_bundle_is_refused_with_its_code(name, key, trusted):
    report = verify_bundle(json.dumps(CORPUS[name](key)).encode(), trusted)
    assert not report.passed
    assert name.split("__")[0] in {check.code for check in report.checks}


def test_a_key_that_is_not_trusted_is_refused(key, tmp_path):
    other = Keyring.of([SigningKey.create(tmp_path / "other.pem").public_pem])
    report = verify_bundle(json.dumps(bundle(key)).encode(), other)
    assert not report.passed


def test_a_second_statement_that_does_not_hold_spoils_the_bundle(key, trusted):
    found = bundle(key)
    found["statements"].append(bundle(key, about=samples.record({"auc": 0.1}))["statements"][0])
    assert not verify_bundle(json.dumps(found).encode(), trusted).passed


RAW = {
    "empty": b"",
    "truncated": b'{"digest": "sha256:',
    "a-list": b"[]",
    "duplicate-keys": b'{"digest":"a","digest":"b","statements":[1],"record":{}}',
    "nan": b'{"digest":"a","statements":[1],"record":{"a":NaN}}',
    "deep": b'{"digest":"a","statements":[1],"record":' + b"[" * 50_000,
    "invalid-utf8": b'{"digest":"\xff"}',
}


@pytest.mark.parametrize("data", RAW.values(), ids=RAW)
def test_what_is_no_bundle_is_refused_and_never_raises(data, trusted):
    assert not verify_bundle(data, trusted).passed


def test_verification_loads_neither_mlflow_nor_flask_nor_sqlalchemy(key, tmp_path):
    (tmp_path / "b.json").write_text(json.dumps(bundle(key)))
    (tmp_path / "k.pem").write_bytes(key.public_pem)
    program = (
        "import sys\n"
        "from mlflow_evidence_plugin.cli.main import main\n"
        f"sys.argv = ['mlflow-evidence', 'verify', r'{tmp_path}/b.json',"
        f" '--key', r'{tmp_path}/k.pem', '-o', 'json']\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "bad = {'mlflow', 'flask', 'sqlalchemy', 'requests'} & set(sys.modules)\n"
        "assert not bad, bad\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["passed"] is True
