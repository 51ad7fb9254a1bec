"""`ticket`: all that belongs to a change ticket, and its export, of which each archive verifies."""

from __future__ import annotations

import json
import zipfile

import pytest

from tests.contract.checked import Client
from tests.world import GOVERNANCE


@pytest.fixture
def at(service, serving):
    url = serving(service.app())
    return {"EVIDENCE_URL": url, "EVIDENCE_TOKEN": (service.home / "token").read_text().strip()}


@pytest.fixture
def local(service, mlflow_url):
    return {
        "EVIDENCE_SERVICE_HOME": str(service.home),
        "EVIDENCE_SERVICE_POLICY_FILE": str(service.settings.policy_file),
        "MLFLOW_TRACKING_URI": mlflow_url,
    }


@pytest.fixture
def change(maker, admin, service, app):
    """A ticket that a run and its version name, captured twice, and an approval of another."""
    key = maker.new_name("CHG<b>`*")
    model = maker.new_name("m'`<i>")
    run_id = maker.run(tags=GOVERNANCE | {"evidence.ticket": key})
    number = maker.version(model, run_id)
    admin.capture(model=model, version=number)
    maker.client.update_model_version(model, number, description="better")
    admin.capture(model=model, version=number)
    admin.get(f"/v1/models/{model}/versions/{number}/decision?environment=lab")
    admin.capture(run_id=run_id)
    other = admin.capture(run_id=maker.run(files={"b": "b"})).json["digest"]
    person = Client(app, service.token("rita", "approve", roles=("risk",)))
    told = {"role": "risk", "decision": "approved", "ticket": key, "comment": "<script>"}
    assert person.post(f"/v1/bundles/{other}/approvals", told).status_code == 201
    return key, f"models/{model}/{number}", run_id


@pytest.fixture(params=["service", "home"])
def place(request, at, local):
    return {"service": at, "home": local}[request.param]


def test_it_prints_all_that_belongs_to_it(az, place, change):
    key, version, run_id = change
    done = az("ticket", key, **place)
    assert done.code == 0, done.err
    found = done.json
    assert found["ticket"] == key
    named = [(one["named_by"], one["newest"]) for one in found["items"]]
    governance = ["governance"]
    assert named == [
        (["approval"], True),
        (governance, True),
        (governance, True),
        (governance, False),
    ]
    assert [one["subject"] for one in found["items"]][1:] == [f"runs/{run_id}", version, version]
    assert found["items"][2]["verdicts"] == {"lab": "passed"}
    table = az("ticket", key, "-o", "table", **place)
    assert "(earlier)" in table.out and "rita approved (in-force)" in table.out
    assert len(az("ticket", key, "-o", "tsv", **place).out.splitlines()) == 4


def test_its_export_has_an_archive_of_each_subject_and_each_verifies(
    az, place, change, tmp_path, service
):
    key, version, run_id = change
    assert az("ticket", key, "--save", "out", **place).code == 0
    folder = tmp_path / "out"
    told = json.loads((folder / "ticket.json").read_text("utf-8"))
    archives = sorted(folder.glob("archives/*.evidence.zip"))
    assert len(archives) == 3
    assert {f"archives/{one.name}" for one in archives} == {one["archive"] for one in told["items"]}
    trust = tmp_path / "trust.json"
    trust.write_bytes(service.evidence.issuing.trust())
    for one in archives:
        done = az("verify", str(one), "--trust", str(trust))
        assert done.code == 0, done.out
    subjects = {one["archive"]: one["subject"] for one in told["items"]}
    assert set(subjects.values()) >= {version, f"runs/{run_id}"}
    name = archives[0]
    said = ("--trust", str(trust), "--subject", subjects[f"archives/{name.name}"])
    assert az("verify", str(name), *said).code == 0
    data = bytearray(name.read_bytes())
    data[len(data) // 2] ^= 1
    name.write_bytes(bytes(data))
    assert az("verify", str(name), *said).code == 3


def test_the_summary_is_harmless_and_says_what_is_missing(az, at, change, tmp_path):
    key, _version, _ = change
    az("ticket", key, "--save", "out", **at)
    text = (tmp_path / "out" / "summary.md").read_text("utf-8")
    page = (tmp_path / "out" / "summary.html").read_text("utf-8")
    assert "**passed**" in text and "Missing: " in text and "there is later evidence" in text
    for one in (text.replace("`", ""), page):
        assert "cost_center, monitoring" in one and "archives/001-" in one
    assert "<script>" not in page and "<b>" not in page and "<i>" not in page
    assert "&lt;script&gt;" in page and "default-src &#39;none&#39;" in page
    assert not [line for line in text.splitlines() if line.startswith("<")]


def test_it_may_be_one_file(az, at, change, tmp_path):
    key, _, _ = change
    assert az("ticket", key, "--save", "change.zip", **at).code == 0
    with zipfile.ZipFile(tmp_path / "change.zip") as packed:
        names = packed.namelist()
        assert packed.testzip() is None
    assert {"summary.html", "summary.md", "ticket.json"} <= set(names)
    assert sum(name.startswith("archives/") for name in names) == 3


def test_an_export_is_no_archive_and_says_what_to_verify(az, at, change, tmp_path, service):
    key, _, _ = change
    trust = tmp_path / "trust.json"
    trust.write_bytes(service.evidence.issuing.trust())
    for place in ("change.zip", "out"):
        assert az("ticket", key, "--save", place, **at).code == 0
        done = az("verify", place, "--trust", str(trust), "-o", "table")
        assert done.code == 3
        assert "archives/" in done.out and "has no archive.json" not in done.out


def test_what_is_there_is_not_overwritten(az, at, change, tmp_path):
    key, _, _ = change
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("x")
    done = az("ticket", key, "--save", "out", **at)
    assert (done.code, (tmp_path / "out" / "mine").read_text()) == (2, "x")
    (tmp_path / "file").write_text("x")
    assert az("ticket", key, "--save", "file", **at).code == 2


def test_an_unknown_ticket_is_said(az, at):
    done = az("ticket", "CHG-none", **at)
    assert done.code == 4
    assert "CHG-none" in done.err and "EVIDENCE_TICKET" in done.err
