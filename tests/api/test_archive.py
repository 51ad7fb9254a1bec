"""The archive: whole, the same each time, and verified with nothing but a key."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from mlflow_evidence_plugin.signing import Keyring
from mlflow_evidence_plugin.verify import Expected, verify_archive

NODE_MODULES = Path(__file__).parents[1] / "interop" / "node_modules"
NOW = "2100-01-01T00:00:00.000Z"


@pytest.fixture(scope="module")
def trusted(service):
    return Keyring.of([(service.home / "public-key.pem").read_bytes()])


@pytest.fixture(scope="module")
def case(admin, maker):
    """A version with two generations of evidence, and a verdict on each."""
    model = maker.new_name("archived")
    version = maker.version(model, maker.run(metrics={"auc": 0.95}))
    path = f"/v1/models/{model}/versions/{version}"
    first = admin.capture(model=model, version=version).json["digest"]
    assert admin.get(f"{path}/decision?environment=lab").status_code == 200
    maker.client.update_model_version(model, version, "described later")
    second = admin.capture(model=model, version=version).json["digest"]
    assert first != second
    verdict = admin.get(f"{path}/decision?environment=lab").json
    return {"digest": second, "subject": f"models/{model}/{version}", "verdict": verdict}


@pytest.fixture
def archive(admin, case, tmp_path):
    answer = admin.get(f"/v1/bundles/{case['digest']}/archive")
    assert answer.status_code == 200
    assert answer.headers["Content-Disposition"].endswith('.evidence.zip"')
    file = tmp_path / "a.evidence.zip"
    file.write_bytes(answer.data)
    return file


def failed(report):
    return [(one.name, one.code, one.detail) for one in report.checks if not one.passed]


def test_it_holds_and_names_what_is_not_proven(archive, trusted, case):
    expected = Expected(case["verdict"]["evaluated_at"], subject=case["subject"], decision="lab")
    report = verify_archive(archive, trusted, expected)
    assert failed(report) == []
    assert report.completeness == "unwitnessed"
    assert any("time" in one for one in report.unproven)
    kinds = [one.name for one in report.checks]
    assert any(name.endswith("verdict.sigstore.json: verdict") for name in kinds)


def test_it_has_the_whole_history_and_both_records(archive, case):
    with zipfile.ZipFile(archive) as file:
        names = file.namelist()
        assert {"model.sig", "mlbom.cdx.json", "VERIFY.md", "vsa-lab.dsse.json"} <= set(names)
        chain = json.loads(file.read("ledger/chain.json"))
        record = json.loads(file.read("archive.json"))["record"]
    assert len([n for n in names if n.startswith("attestations/")]) == len(chain) == 12
    assert record == case["digest"]


def test_the_same_evidence_under_the_same_head_is_the_same_bytes(admin, archive, case):
    again = admin.get(f"/v1/bundles/{case['digest']}/archive")
    assert again.data == archive.read_bytes()


def test_its_folder_holds_as_well(archive, trusted, tmp_path):
    with zipfile.ZipFile(archive) as file:
        file.extractall(tmp_path / "unpacked")
    assert failed(verify_archive(tmp_path / "unpacked", trusted, Expected(NOW))) == []


@pytest.mark.parametrize("program", ["openssl", "sigstore-js"])
def test_the_commands_of_its_own_page_verify_it_and_refuse_a_tampered_one(
    archive, service, tmp_path, program
):
    with zipfile.ZipFile(archive) as file:
        file.extractall(tmp_path)
    shutil.copy(service.home / "public-key.pem", tmp_path / "public.pem")
    page = (tmp_path / "VERIFY.md").read_text()
    blocks = re.findall(r"```(?:sh|js)\n(.*?)```", page, re.DOTALL)
    (block,) = [one for one in blocks if ("openssl" if program == "openssl" else "require(") in one]
    command = ["bash", "-e", "-c", block]
    if program == "sigstore-js":
        if not shutil.which("node") or not NODE_MODULES.exists():
            pytest.skip("sigstore-js is not here: make test installs it")
        (tmp_path / "verify.cjs").write_text(block)
        command = ["node", "verify.cjs"]
    env = {**os.environ, "NODE_PATH": str(NODE_MODULES)}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (named,) = set(re.findall(r"attestations/[\w.-]+", block))
    bundle = json.loads((tmp_path / named).read_text())
    payload = bundle["dsseEnvelope"]["payload"]
    bundle["dsseEnvelope"]["payload"] = payload[:40] + "AAAA" + payload[44:]
    (tmp_path / named).write_text(json.dumps(bundle))
    assert subprocess.run(command, cwd=tmp_path, env=env, capture_output=True).returncode != 0


def test_a_head_that_was_kept_elsewhere_witnesses_that_it_is_complete(
    admin, trusted, case, tmp_path, maker
):
    kept = admin.get("/v1/ledger/checkpoint").text
    size = int(kept.split("\n")[1])
    admin.capture(run_id=maker.run())
    answer = admin.get(f"/v1/bundles/{case['digest']}/archive?size={size}")
    (tmp_path / "a.zip").write_bytes(answer.data)
    report = verify_archive(tmp_path / "a.zip", trusted, Expected(NOW, witness=kept))
    assert failed(report) == []
    assert report.completeness == "witnessed"
    newer = admin.get(f"/v1/bundles/{case['digest']}/archive")
    (tmp_path / "b.zip").write_bytes(newer.data)
    report = verify_archive(tmp_path / "b.zip", trusted, Expected(NOW, witness=kept))
    assert [one[:2] for one in failed(report)] == [("witness", "bad-ledger")]


def test_under_a_head_from_before_the_evidence_there_is_no_archive(admin, case):
    answer = admin.get(f"/v1/bundles/{case['digest']}/archive?size=0")
    assert answer.status_code == 422
    assert "later head" in answer.json["mend"]


def test_a_verdict_that_ran_out_or_is_missing_is_not_one(archive, trusted):
    for environment, now in (("lab", NOW), ("prod", NOW)):
        report = verify_archive(archive, trusted, Expected(now, decision=environment))
        assert [one[:2] for one in failed(report)] == [("decision", "bad-verdict")]


def test_what_is_foreign_is_not_there(client, tokens, case):
    assert client(tokens.stranger).get(f"/v1/bundles/{case['digest']}/archive").status_code == 404


def rewritten(archive, change):
    """The same archive, with its members changed by a function."""
    with zipfile.ZipFile(archive) as file:
        members = {name: file.read(name) for name in file.namelist()}
    change(members)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name, data in members.items():
            file.writestr(name, data)
    archive.write_bytes(out.getvalue())
    return archive


def test_whatever_single_member_is_left_out_is_missed(archive, admin, tmp_path):
    # A bare key does not say that the log counts; the trust document does.
    trusted = Keyring.of([], [admin.get("/v1/trust").data])
    with zipfile.ZipFile(archive) as file:
        names = set(file.namelist()) - {"VERIFY.md", "trust/trust.json", "model.sig"}
    names -= {"mlbom.cdx.json", "vsa-lab.dsse.json"}  # copies, for the verifiers of others
    for name in sorted(names):
        copy = tmp_path / "copy.zip"
        shutil.copy(archive, copy)
        rewritten(copy, lambda members, name=name: members.pop(name))
        report = verify_archive(copy, trusted, Expected(NOW))
        series = name.startswith("materials/") and not failed(report)
        assert series or failed(report), name
