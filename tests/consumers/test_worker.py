"""The worker, as an operator starts it: what it judges is told, and delays nothing."""

from __future__ import annotations

import pytest

from tests.consumers.test_servicenow import FILE
from tests.faults.processes import running, until
from tests.world import GOVERNANCE, POLICY

NUMBER = "CHG4711"


@pytest.fixture
def env(servicenow, secret_files, mlflow_url, tmp_path):
    told = FILE.format(url=servicenow.url, folder=secret_files, models="*")
    (tmp_path / "consumers.toml").write_text(told)
    (tmp_path / "policy.yaml").write_text(POLICY)
    return {
        "TRACKING_URI": mlflow_url,
        "POLICY_FILE": str(tmp_path / "policy.yaml"),
        "CONSUMERS_FILE": str(tmp_path / "consumers.toml"),
        "PUBLIC_URL": "https://evidence.example.org",
        "WRITE_BACK": "true",
    }


def test_a_capture_is_told_to_servicenow_and_linked_in_mlflow(env, servicenow, maker, tmp_path):
    sys_id = servicenow.new_change(NUMBER)
    model = maker.new_name("worked")
    version = maker.version(model, maker.run(tags=GOVERNANCE | {"evidence.ticket": NUMBER}))
    servicenow.first = [5.0]  # it takes its time
    with running(tmp_path / "home", **env) as service:
        order = service.post("/v1/captures", {"model": model, "version": version}, wait=30)
        assert order["state"] == "done", order
        assert servicenow.notes[sys_id] == [], "nobody waits for ServiceNow"
        until(lambda: len(servicenow.files) == 2, 60)
        linked = until(lambda: maker.client.get_model_version(model, version).tags, 30)
    assert order["digest"] in linked["evidence.link.record"]
    assert len(servicenow.notes[sys_id]) == 1
    log = (tmp_path / "home.log").read_text()
    assert f"servicenow {NUMBER}: told that models/{model}/{version} for prod is" in log
    for secret in (servicenow.password, servicenow.basic.split()[1]):
        assert secret not in log
