"""`drift`: of a subject through a service and straight on a store; of a set-up against a file."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

PAGE = Path(__file__).parents[2] / "docs" / "inventory.md"


@pytest.fixture
def at(service, serving):
    url = serving(service.app())
    return {"EVIDENCE_URL": url, "EVIDENCE_TOKEN": (service.home / "token").read_text().strip()}


@pytest.fixture
def local(mlflow_url, tmp_path):
    home = str(tmp_path / "home")
    return {"MLFLOW_TRACKING_URI": mlflow_url, "EVIDENCE_SERVICE_HOME": home}


@pytest.fixture(params=["service", "store"])
def place(request, at, local):
    return {"service": at, "store": local}[request.param]


def test_a_subject_that_is_as_it_was_and_one_that_is_not(az, place, maker):
    run_id = maker.run()
    assert az("capture", f"runs/{run_id}", **place).code == 0
    same = az("drift", f"runs/{run_id}", **place)
    assert (same.code, same.json["drifted"], same.json["files_by"]) == (0, False, "size")
    maker.client.log_text(run_id, "y\n", "model/MLmodel")
    maker.client.set_tag(run_id, "note", "a\n\x1b[2Jb")
    table = az("drift", f"runs/{run_id}", "-o", "table", **place)
    assert table.code == 1
    assert "\x1b" not in table.out and "tags/note" in table.out
    found = az("drift", f"runs/{run_id}", "--artifacts", **place)
    assert found.code == 1
    assert [one["what"] for one in found.json["findings"]] == ["tags/note", "outputs/model/MLmodel"]


def test_an_alias_is_followed(az, at, maker):
    model = maker.new_name("led")
    number = maker.version(model, maker.run())
    maker.client.set_registered_model_alias(model, "live", number)
    az("capture", f"models/{model}@live", **at)
    maker.client.update_model_version(model, number, description="better")
    found = az("drift", f"models/{model}@live", **at)
    assert (found.code, found.json["subject"]) == (1, f"models/{model}/{number}")


def test_what_is_not_known_is_no_exit_code_0(az, service, serving, captured, monkeypatch, world):
    from tests.api.stores import silent

    url = serving(service.on_store(silent(service, monkeypatch)))
    token = (service.home / "token").read_text().strip()
    done = az("drift", f"runs/{world.good}", EVIDENCE_URL=url, EVIDENCE_TOKEN=token)
    assert (done.code, done.json["drifted"]) == (6, None)


def test_one_of_both_is_asked(az, at, tmp_path):
    assert az("drift", **at).code == 2
    assert az("drift", "runs/a", "--intent", "x.yaml", **at).code == 2
    assert az("drift", "runs/unknown", **at).code == 4


@pytest.fixture
def declare(tmp_path):
    def write(text):
        path = tmp_path / "intent.yaml"
        path.write_text(text if isinstance(text, str) else yaml.safe_dump(text), "utf-8")
        return str(path)

    return write


@pytest.fixture
def set_up(service, mlflow_url, tmp_path):
    """A service's own machine, whose environment gives an owner, and a file the rollback."""
    (tmp_path / "evidence.toml").write_text('[governance]\nrollback = "set the alias back"\n')
    return {
        "EVIDENCE_SERVICE_HOME": str(service.home),
        "EVIDENCE_SERVICE_POLICY_FILE": str(service.settings.policy_file),
        "MLFLOW_TRACKING_URI": mlflow_url,
        "EVIDENCE_OWNER": "ana@example.org",
    }


@pytest.fixture
def intended(service, mlflow_url):
    """All that can be declared, as it is."""
    evidence = service.evidence
    return {
        "version": 1,
        "plugin": {"version": f"=={version('mlflow-evidence-plugin')}", "enabled": True},
        "mlflow": {"version": ">=2.22"},
        "tracking": {"uri": mlflow_url},
        "governance": {"owner": "variable", "rollback": "file"},
        "service": {
            "store_id": mlflow_url,
            "policy": evidence.deciding.policy.digest,
            "signing_key": evidence.issuing.key.id,
            "schema": evidence.capturing.database.check(),
            "write_back": False,
        },
    }


def test_a_set_up_as_it_was_declared(az, declare, set_up, intended):
    done = az("drift", "--intent", declare(intended), **set_up)
    assert done.json["findings"] == done.json["unknown"] == []
    assert (done.code, done.json["drifted"]) == (0, False)


@pytest.mark.parametrize(
    ("section", "name", "wanted"),
    [
        ("plugin", "version", ">=99"),
        ("plugin", "enabled", False),
        ("mlflow", "version", "<2"),
        ("tracking", "uri", "https://elsewhere.example.org"),
        ("tracking", "registry_uri", "https://elsewhere.example.org"),
        ("governance", "owner", "file"),
        ("governance", "rollback", "variable"),
        ("governance", "monitoring", "any"),
        ("service", "store_id", "another"),
        ("service", "policy", "sha256:" + "0" * 64),
        ("service", "signing_key", "0" * 64),
        ("service", "schema", "0001"),
        ("service", "write_back", True),
    ],
)
def test_each_thing_that_is_otherwise_is_found(
    az, declare, set_up, intended, section, name, wanted
):
    intended[section][name] = wanted
    done = az("drift", "--intent", declare(intended), **set_up)
    assert done.code == 1
    (found,) = done.json["findings"]
    assert (found["what"], found["was"]) == (f"{section}.{name}", wanted)
    assert found["is"] != wanted
    table = az("drift", "--intent", declare(intended), "-o", "table", **set_up)
    assert f"{section}.{name}" in table.out


def test_a_service_elsewhere_tells_its_policy_and_key_and_the_rest_is_unknown(
    az, declare, at, intended, service
):
    wanted = {"url": at["EVIDENCE_URL"], **intended["service"]}
    done = az("drift", "--intent", declare({"version": 1, "service": wanted}), **at)
    assert (done.code, done.json["findings"]) == (6, [])
    unknown = [one["what"] for one in done.json["unknown"]]
    assert unknown == ["service.store_id", "service.schema", "service.write_back"]
    wanted["policy"] = "sha256:" + "1" * 64
    done = az("drift", "--intent", declare({"version": 1, "service": wanted}), **at)
    assert (done.code, done.json["findings"][0]["what"]) == (1, "service.policy")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no intent file of version 1"),
        ("version: 2\n", "no intent file of version 1"),
        ("version: 1\n", "declares nothing"),
        ("version: 1\nversion: 1\n", "stands twice"),
        ("- 1\n", "no intent file"),
        ("a: [\n", "is not YAML"),
        ("version: 1\nplugins: {}\n", "unknown section 'plugins'"),
        ("version: 1\nplugin: {}\n", "plugin has no names and values"),
        ("version: 1\nplugin: {verison: '1'}\n", "unknown name plugin.verison"),
        ("version: 1\nplugin: {version: 1}\n", "plugin.version is 1"),
        ("version: 1\nmlflow: {version: soon}\n", "mlflow.version is 'soon'"),
        ("version: 1\nplugin: {enabled: 'yes'}\n", "plugin.enabled is 'yes'"),
        ("version: 1\ngovernance: {owner: me}\n", "governance.owner is 'me'"),
        ("version: 1\nservice: {schema: 0005}\n", "service.schema is 5"),
        ("version: 1\nplugin: !!python/name:os.system\n", "is not YAML"),
        ("version: 1\nx: &a [*a]\n", "is not YAML"),
    ],
)
def test_a_slip_in_the_file_is_said(az, declare, text, said):
    done = az("drift", "--intent", declare(text))
    assert done.code == 7
    assert said in done.err and "mend: " in done.err


def test_a_file_that_is_not_there_or_too_large(az, declare, tmp_path):
    assert az("drift", "--intent", str(tmp_path / "none.yaml")).code == 7
    assert az("drift", "--intent", declare("#" * 70_000)).code == 7


def test_the_example_of_the_documentation_is_read_and_has_every_name(az, declare):
    from mlflow_evidence_plugin.cli.intent import POINTS, read_intent

    (text,) = re.findall(r"```yaml intent\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    declared = read_intent(Path(declare(text)))
    assert {one for one in declared if not one.startswith("governance.")} == {
        one for one in POINTS if not one.startswith("governance.")
    }
    assert az("drift", "--intent", declare(text)).code == 1
