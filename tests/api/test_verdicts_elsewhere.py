"""What a verdict rests on beside its own evidence: whose word counts today, and which versions."""

from __future__ import annotations

import json
import logging

import pytest

from mlflow_evidence_plugin.collect import versions
from mlflow_evidence_plugin.policy import RULES, parse
from mlflow_evidence_plugin.signing import SigningKey, sign
from mlflow_evidence_plugin.signing.signers import read_signers
from mlflow_evidence_plugin.statements import PAYLOAD_TYPE
from tests.api.test_attestations import SCAN, send, stated
from tests.contract.checked import Client

SCANNED = parse(b"""
version: 1
environments:
  prod:
    rules: [{rule: attested, type: "https://in-toto.io/attestation/vulns/*"}]
""")

PREVIOUS = parse(b"""
version: 1
environments:
  prod:
    rules: [{rule: no-regression, metric: auc, baseline: previous, tolerance: 0.01}]
""")

WAY_BACK = parse(b"""
version: 1
environments:
  prod:
    rules:
      - {rule: required-tags, tags: [ticket]}
      - {rule: no-regression, metric: auc, baseline: {alias: production}, if_no_baseline: pass}
      - rule: rollback-target
        target: {alias: previous-production}
        accept_expired: true
        if_no_target: pass
""")

SIGNED = parse(b"""
version: 1
environments:
  prod:
    rules: [{rule: signature-model, require: [signature]}]
""")

EACH_OTHER = parse(b"""
version: 1
environments:
  prod:
    rules:
      - rule: tracked-run
      - {rule: rollback-target, target: {alias: blue}, severity: warn}
      - {rule: rollback-target, target: {alias: green}, severity: warn}
""")

TWO = parse(b"""
version: 1
environments:
  staging: {rules: [{rule: tracked-run}]}
  prod: {rules: [{rule: run-finished}]}
""")


def verdict(client, model, version):
    path = f"/v1/models/{model}/versions/{version}/decision?environment=prod"
    return client.get(path, headers={"Cache-Control": "no-cache"}).json


def test_who_was_struck_off_the_list_no_longer_counts(service, maker, tokens, admin, tmp_path):
    model = maker.new_name("scanned")
    version = maker.version(model, maker.run(files={"w.bin": model}))
    digest = admin.capture(model=model, version=version).json["digest"]
    record = service.evidence.capturing.bundles.get(digest).record()
    key = SigningKey.create(tmp_path / "key.pem")
    told = {"name": "scanner", "pem": key.public_pem.decode(), "predicate_types": [SCAN]}
    signers = read_signers(json.dumps({"signers": [told]}).encode())
    then = Client(service.app(policy=SCANNED, signers=signers), tokens.admin)
    assert send(then, sign(stated(record), PAYLOAD_TYPE, key)).json["state"] == "trusted"
    assert verdict(then, model, version)["allowed"]
    now = Client(service.app(policy=SCANNED, signers=()), tokens.admin)
    denied = verdict(now, model, version)
    assert [one["code"] for one in denied["reasons"]] == ["attested"]
    assert verdict(then, model, version)["allowed"]
    others = read_signers(
        json.dumps({"signers": [told | {"predicate_types": [f"{SCAN}x"]}]}).encode()
    )
    restricted = Client(service.app(policy=SCANNED, signers=others), tokens.admin)
    assert not verdict(restricted, model, version)["allowed"]


def test_the_previous_version_is_none_of_an_earlier_namesake(service, maker, tokens):
    client = Client(service.app(policy=PREVIOUS), tokens.admin)
    model = maker.new_name("again")
    maker.version(model, maker.run(auc=0.5))
    assert client.capture(model=model, version="1").status_code == 201
    maker.client.delete_registered_model(model)
    maker.version(model, maker.run(auc=0.95))
    maker.version(model, maker.run(auc=0.90))
    assert client.capture(model=model, version="2").status_code == 201
    unknown = verdict(client, model, 2)
    assert [one["code"] for one in unknown["reasons"]] == ["no-regression"], unknown
    assert "0.5" not in unknown["reasons"][0]["found"]
    assert client.capture(model=model, version="1").status_code == 201
    assert "0.95" in json.dumps(verdict(client, model, 2)["reasons"])


@pytest.mark.parametrize(("looked", "known"), [(1, None), (2, "1")])
def test_where_too_many_versions_are_gone_the_one_before_is_unknown(
    service, maker, tokens, monkeypatch, looked, known
):
    monkeypatch.setattr(versions, "LOOK_BACK", looked)
    client = Client(service.app(policy=PREVIOUS), tokens.admin)
    model = maker.new_name("sparse")
    for auc in (0.5, 0.6, 0.9):
        maker.version(model, maker.run(auc=auc))
    maker.client.delete_model_version(model, "2")
    for version in ("1", "3"):
        assert client.capture(model=model, version=version).status_code == 201
    record = client.get(f"/v1/models/{model}/versions/3/evidence").json["record"]
    facts = record["lineage"].get("facts", {})
    assert facts.get("previous_version", {}).get("value") == known
    assert [one["place"] for one in record["gaps"]].count("lineage/previous_version") == (not known)
    assert verdict(client, model, 3)["allowed"] is bool(known)


def test_verdicts_on_a_namesake_of_another_experiment_are_not_told(service, maker, tokens):
    admin = Client(service.app(policy=TWO), tokens.admin)
    model, theirs, ours = (maker.new_name(one) for one in ("twice", "theirs", "ours"))
    for experiment in (theirs, ours):
        maker.version(model, maker.run(experiment=experiment))
        assert admin.capture(model=model, version="1").status_code == 201
        assert verdict(admin, model, 1)["allowed"]
        if experiment == theirs:
            maker.client.delete_registered_model(model)
    path = f"/v1/models/{model}/versions/1/decisions"
    told = admin.get(path).json["items"]
    assert len({one["record"] for one in told}) == 2
    reader = service.token("r", "evidence:read", experiments=(ours,), models=(model,))
    mine = Client(admin.app, reader).get(path).json["items"]
    assert {one["record"] for one in mine} == {verdict(admin, model, 1)["record"]}


def test_the_signature_of_a_model_counts_where_only_its_file_has_it(service, maker, tokens):
    from mlflow.models import Model
    from mlflow.models.signature import infer_signature

    client = Client(service.app(policy=SIGNED), tokens.admin)
    model = maker.new_name("signed")
    for signature in (infer_signature({"age": 1.0}, [0.5]), None):
        text = Model(flavors={"python_function": {}}, signature=signature).to_yaml()
        version = maker.version(model, maker.run(files={"model/MLmodel": text, "model/w.bin": "w"}))
        digest = client.capture(model=model, version=version).json["digest"]
        said = verdict(client, model, version)
        assert said["allowed"] is (signature is not None), said["reasons"]
        facts = client.get(f"/v1/bundles/{digest}").json["record"]["version"]["facts"]
        told = facts["signature"]
        assert (told["basis"], told["by"]) == ("observed", "evidence service")
    first, second = f"models/{model}/1", f"models/{model}/2"
    differs = client.get(f"/v1/compare?base={first}&other={second}").json
    assert "signature.inputs" in json.dumps(differs)


def test_two_versions_that_are_each_others_way_back_come_to_rest(service, maker, tokens):
    client = Client(service.app(policy=EACH_OTHER), tokens.admin)
    model = maker.new_name("pair")
    for alias in ("blue", "green"):
        number = maker.version(model, maker.run())
        maker.client.set_registered_model_alias(model, alias, number)
        client.capture(model=model, version=number)
    for _ in range(2):
        first, second = verdict(client, model, 1), verdict(client, model, 2)
    assert first["allowed"] and second["allowed"]
    for _ in range(2):
        assert verdict(client, model, 1)["decision"] == first["decision"]
        assert verdict(client, model, 2)["decision"] == second["decision"]


def test_asking_for_the_way_back_does_not_take_it_away(service, maker, tokens):
    client = Client(service.app(policy=WAY_BACK), tokens.admin)
    model = maker.new_name("way")
    alias = maker.client.set_registered_model_alias
    for auc in (0.90, 0.93):
        number = maker.version(model, maker.run(auc=auc))
        client.capture(model=model, version=number)
        assert verdict(client, model, number)["allowed"]
        alias(model, "production", number)
    alias(model, "previous-production", "1")
    assert verdict(client, model, 2)["allowed"]
    denied = verdict(client, model, 1)
    assert {one["code"] for one in denied["reasons"]} == {"no-regression", "rollback-target"}
    assert "leave the alias" in json.dumps(denied["reasons"])
    assert verdict(client, model, 2)["allowed"]
    number = maker.version(model, maker.run(auc=0.94))
    client.capture(model=model, version=number)
    assert verdict(client, model, number)["allowed"]
    maker.client.set_tag(maker.client.get_model_version(model, "1").run_id, "evidence.ticket", "")
    client.capture(model=model, version="1")
    assert "required-tags" in {one["code"] for one in verdict(client, model, 1)["reasons"]}
    gone = verdict(client, model, number)["reasons"]
    assert [one["code"] for one in gone] == ["rollback-target"]


def test_what_breaks_in_one_environment_keeps_no_verdict_from_the_others(
    service, maker, admin, monkeypatch, caplog
):
    model = maker.new_name("broken")
    version = maker.version(model, maker.run())
    admin.capture(model=model, version=version)
    deciding = service.app(policy=TWO).extensions["evidence"].deciding

    def breaks(case, options):
        raise RuntimeError("a mistake of ours")

    monkeypatch.setitem(RULES, "tracked-run", breaks)
    with caplog.at_level(logging.ERROR):
        deciding.settle(f"models/{model}/{version}")
    assert f"no verdict on models/{model}/{version} for staging" in caplog.text
    assert deciding.decisions.latest(f"models/{model}/{version}", "prod")["allowed"]
    with pytest.raises(RuntimeError):
        deciding.judge(TWO, TWO.environment("staging"), _latest(service, model, version))


def _latest(service, model, version):
    return service.evidence.capturing.bundles.latest(f"models/{model}/{version}")
