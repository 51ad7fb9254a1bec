"""Erasure: nothing of it is left but digests and a signed tombstone, and verifiers see that."""

from __future__ import annotations

import base64
import io
import json
import time
import zipfile
import zlib

import pytest

from mlflow_evidence_plugin.ledger import Count, count_name
from mlflow_evidence_plugin.ledger.count import read_count
from mlflow_evidence_plugin.record import digest_of
from mlflow_evidence_plugin.service.archive import zipped
from mlflow_evidence_plugin.signing import Keyring, bundle_of, open_note, sign
from mlflow_evidence_plugin.statements import PAYLOAD_TYPE, TOMBSTONE
from mlflow_evidence_plugin.storage.tables import metadata
from mlflow_evidence_plugin.verify import Expected, verify_archive
from mlflow_evidence_plugin.wiring import build
from tests.contract.checked import Client
from tests.world import GOVERNANCE

LATER = "2100-01-01T00:00:00.000Z"
REASON = {"reason": "the note names a patient"}


@pytest.fixture
def trusted(service, app):
    trust = Client(app, None).get("/v1/trust").data
    return Keyring.of([], [trust])


@pytest.fixture
def made(admin, maker):
    """A version whose run and description hold what must go; captured, judged, attested."""
    model = maker.new_name("erased")
    secret = maker.new_name("zaphod") + "-beeblebrox"
    tags = GOVERNANCE | {"note": f"patient {secret}", "evidence.owner": secret}
    run = maker.run(tags=tags)
    version = maker.version(model, run)
    maker.client.update_model_version(model, version, f"of {secret}")
    captured = admin.capture(model=model, version=version).json["digest"]
    path = f"/v1/models/{model}/versions/{version}"
    assert admin.get(f"{path}/decision?environment=lab").json["allowed"]
    told = {"model": model, "version": version, "run": run, "digest": captured, "path": path}
    return told | {"secret": secret}


def erase(client, digest, told=REASON):
    return client.post(f"/v1/bundles/{digest}/erasure", told)


def mended(maker, made):
    """The same run and version, without what had to go."""
    for name in ("note", "evidence.owner"):
        maker.client.set_tag(made["run"], name, "a patient")
    maker.client.update_model_version(made["model"], made["version"], "mended")


def held(service, what):
    """Tables and columns in which the bytes stand."""
    found = []
    with service.evidence.capturing.database.reading() as connection:
        for table in metadata.sorted_tables:
            for row in connection.execute(table.select()):
                for name, value in row._mapping.items():
                    data = value if isinstance(value, bytes) else str(value).encode()
                    if name == "deflated":
                        data = zlib.decompress(data)
                    if name == "envelope":
                        data += base64.b64decode(json.loads(data)["payload"])
                    if what.encode() in data:
                        found.append((table.name, name))
    return found


def archived(client, digest, size=""):
    answer = client.get(f"/v1/bundles/{digest}/archive{size}")
    assert answer.status_code == 200, answer.text
    with zipfile.ZipFile(io.BytesIO(answer.data)) as file:
        return {name: file.read(name) for name in file.namelist()}


def verified(members, trusted, tmp_path, **expected):
    path = tmp_path / "a.evidence.zip"
    path.write_bytes(b"".join(zipped(members.items())))
    report = verify_archive(path, trusted, Expected(expected.pop("now", LATER), **expected))
    return report, {one.code for one in report.checks if not one.passed}


def test_nothing_of_it_is_left_in_any_table_or_file(admin, service, maker, made, key):
    of_run = admin.capture(run_id=made["run"]).json["digest"]
    root = service.evidence.capturing.bundles.get(made["digest"]).record().root
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": f"models/{made['model']}/1", "digest": {"sha256": root}}],
        "predicateType": "https://in-toto.io/attestation/vulns/v0.1",
        "predicate": {"found": made["secret"]},
    }
    envelope = sign(json.dumps(statement).encode(), PAYLOAD_TYPE, key)
    bundle = bundle_of(envelope, key.id)
    sent = admin.post("/v1/attestations", data=bundle, content_type="application/json")
    assert sent.status_code == 201, sent.text
    known = {table for table, _ in held(service, made["secret"])}
    assert {"records", "statements", "attestations", "listings"} <= known
    assert material(admin, made["digest"])[0].status_code == 200
    gone = erase(admin, made["digest"])
    assert gone.status_code == 200, gone.text
    assert digest_of(envelope) in gone.json["erased"]
    answer, path = material(admin, of_run)
    assert answer.status_code == 200, "the run's record names it too"
    assert erase(admin, of_run).status_code == 200
    assert admin.get(path).status_code == 410
    assert held(service, path.rpartition("/")[2]) == []
    assert held(service, made["secret"]) == []
    for file in service.home.rglob("*"):
        if file.is_file():
            assert made["secret"].encode() not in file.read_bytes(), file


def material(client, digest):
    """The first metric history that a record names: the answer, and where it is."""
    series = client.get(f"/v1/bundles/{digest}").json["record"]["history"]["facts"]
    sha256 = min(one["value"]["digest"] for one in series.values())
    path = f"/v1/bundles/{digest}/materials/{sha256}"
    return client.get(path), path


@pytest.fixture
def key(tmp_path):
    from mlflow_evidence_plugin.signing import SigningKey

    return SigningKey.create(tmp_path / "scanner.pem")


def test_it_answers_with_its_tombstone_to_those_who_might_see_it(admin, client, tokens, made):
    before = admin.get(f"/v1/bundles/{made['digest']}").json
    leaves = admin.get(f"/v1/bundles/{made['digest']}/chain").json["leaves"]
    told = erase(admin, made["digest"]).json
    assert (told["record"], told["reason"]) == (made["digest"], REASON["reason"])
    assert len(told["erased"]) == len(leaves)
    assert len(before["statements"]) <= len(leaves)
    for path in (f"/v1/bundles/{made['digest']}", f"{made['path']}/evidence"):
        answer = admin.get(path)
        assert (answer.status_code, answer.json["code"]) == (410, "erased")
        assert answer.json["tombstone"] == told
        assert client(tokens.stranger).get(path).status_code == 404
    after = admin.get(f"/v1/bundles/{made['digest']}/chain").json["leaves"]
    assert [one["leaf"] for one in after][:-1] == [one["leaf"] for one in leaves]
    assert after[-1]["leaf"]["statement"] == told["statement"]
    found = admin.get(f"/v1/bundles?model={made['model']}").json["items"]
    assert found == []
    denied = admin.get(f"{made['path']}/decision?environment=lab").json
    assert (denied["allowed"], denied["reasons"][0]["code"]) == (False, "no-evidence")


def test_erasing_again_changes_nothing(admin, service, made):
    first = erase(admin, made["digest"]).json
    before = service.counts()
    again = erase(admin, made["digest"], {"reason": "another"})
    assert (again.status_code, again.json) == (200, first)
    assert service.counts() == before


@pytest.mark.parametrize(
    ("token", "status"), [("reader", 403), ("capturer", 403), ("mine", 403), ("stranger", 403)]
)
def test_it_is_for_the_operator_alone(client, tokens, made, token, status):
    assert erase(client(getattr(tokens, token)), made["digest"]).status_code == status


def test_an_operator_of_other_models_finds_nothing(service, app, made):
    token = service.token("other", "admin", models=("nothing",), experiments=("nothing",))
    assert erase(Client(app, token), made["digest"]).status_code == 404
    assert service.evidence.capturing.bundles.get(made["digest"]).digest == made["digest"]


@pytest.mark.parametrize("reason", ["", "  ", "two\nlines", "x" * 1001, "AKIAIOSFODNN7PLANTED"])
def test_a_reason_that_is_none_or_says_it_again_is_refused(admin, made, reason):
    assert erase(admin, made["digest"], {"reason": reason}).status_code == 422
    assert admin.get(f"/v1/bundles/{made['digest']}").status_code == 200


def test_a_capture_never_brings_it_back_and_one_of_the_mended_run_is_new(admin, maker, made):
    erase(admin, made["digest"])
    subject = {"model": made["model"], "version": made["version"]}
    refused = admin.capture(**subject)
    assert (refused.status_code, refused.json["code"]) == (410, "erased")
    assert "mend the run" in refused.json["mend"]
    assert admin.get(f"{made['path']}/evidence").status_code == 410
    mended(maker, made)
    again = admin.capture(**subject)
    assert again.status_code == 201
    assert again.json["digest"] != made["digest"]
    assert admin.get(f"{made['path']}/evidence").json["digest"] == again.json["digest"]


def test_an_older_record_does_not_take_the_place_of_what_was_erased(admin, maker, made):
    maker.client.update_model_version(made["model"], made["version"], "described later")
    newer = admin.capture(model=made["model"], version=made["version"]).json["digest"]
    erase(admin, newer)
    assert admin.get(f"{made['path']}/evidence").status_code == 410
    assert admin.get(f"/v1/bundles/{made['digest']}").status_code == 200
    assert not admin.get(f"{made['path']}/decision?environment=lab").json["allowed"]


def test_the_archive_of_what_is_left_has_the_tombstone_and_holds(
    admin, maker, made, trusted, tmp_path
):
    old = int(admin.get("/v1/ledger/checkpoint").text.split("\n")[1])
    told = erase(admin, made["digest"]).json
    mended(maker, made)
    newer = admin.capture(model=made["model"], version=made["version"]).json["digest"]
    assert admin.get(f"{made['path']}/decision?environment=lab").json["allowed"]
    under = admin.get(f"/v1/bundles/{newer}/archive?size={old}")
    assert under.status_code == 422
    members = archived(admin, newer)
    report, failed = verified(members, trusted, tmp_path)
    assert failed == set()
    assert any(f"erased: {len(told['erased'])} statements on" in one for one in report.unproven)
    assert not any("the end" in one for one in report.unproven)
    assert members == archived(admin, newer), "the same evidence is the same bytes"
    (name,) = [name for name in members if name.endswith("-tombstone.sigstore.json")]
    _, failed = verified({k: v for k, v in members.items() if k != name}, trusted, tmp_path)
    assert "bad-ledger" in failed
    release = next(n for n in sorted(members) if "-release." in n)
    _, failed = verified({k: v for k, v in members.items() if k != release}, trusted, tmp_path)
    assert "bad-ledger" in failed or "bad-signature" in failed


def test_a_verdict_on_an_erased_baseline_is_no_pass_in_force(admin, maker, trusted, tmp_path):
    model = maker.new_name("compared")
    first = maker.version(model, maker.run(metrics={"auc": 0.95, "log_loss": 0.30}))
    second = maker.version(model, maker.run(metrics={"auc": 0.95, "log_loss": 0.29}))
    maker.client.set_registered_model_alias(model, "champion", first)
    baseline = admin.capture(model=model, version=first).json["digest"]
    digest = admin.capture(model=model, version=second).json["digest"]
    path = f"/v1/models/{model}/versions/{second}/decision?environment=first"
    verdict = admin.get(path).json
    assert verdict["allowed"]
    now = {"now": verdict["evaluated_at"], "decision": "first"}
    assert verified(archived(admin, digest), trusted, tmp_path, **now)[1] == set()
    erase(admin, baseline)
    members = archived(admin, digest)
    report, failed = verified(members, trusted, tmp_path)
    assert failed == set()
    again = [one for one in report.unproven if "not derived again" in one]
    assert len(again) == 2
    assert verified(members, trusted, tmp_path, **now)[1] == {"bad-verdict"}
    del members["ledger/tombstones.json"]
    assert verified(members, trusted, tmp_path)[1] == {"bad-archive"}


def test_another_process_does_not_serve_it_a_second_later(service, admin, made):
    other = build(service.settings)
    bundles = other.capturing.bundles
    assert made["secret"].encode() in bundles.get(made["digest"]).body
    erase(admin, made["digest"])
    time.sleep(1.1)
    subject = f"models/{made['model']}/{made['version']}"
    for asked in (lambda: bundles.get(made["digest"]), lambda: bundles.latest(subject)):
        with pytest.raises(Exception) as refused:
            asked()
        assert refused.value.code == "erased"
    other.capturing.database.dispose()


def test_each_chain_says_how_many_statements_there_are(admin, service, made, trusted):
    told = admin.get(f"/v1/bundles/{made['digest']}/chain").json
    origin = told["checkpoint"].partition("\n")[0]
    count = read_count(open_note(told["count"], count_name(origin), trusted)[0])
    head = service.evidence.issuing.ledger.head(count.head.size)
    assert count == Count(head, told["leaves"][0]["leaf"]["subject"], len(told["leaves"]))
    again = admin.get(f"/v1/bundles/{made['digest']}/chain").json
    assert again["count"] == told["count"]


def test_the_tombstone_is_signed_like_any_statement(admin, made):
    told = erase(admin, made["digest"]).json
    found = admin.get(f"/v1/ledger/statements/{told['statement']}").json
    assert found["leaf"]["statement"] == told["statement"]
    assert TOMBSTONE.endswith("/tombstone/v1")
