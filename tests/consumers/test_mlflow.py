"""MLflow's webhooks: from a real server, and forged ones."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import subprocess
import sys
import time
import uuid
from http.client import HTTPException
from pathlib import Path

import mlflow
import pytest
from cryptography.fernet import Fernet
from mlflow.webhooks.constants import WEBHOOK_SIGNATURE_HEADER
from mlflow.webhooks.delivery import _generate_hmac_signature

from mlflow_evidence_plugin.errors import StorageUnavailable
from mlflow_evidence_plugin.storage import Standing
from tests.consumers.doubles import send
from tests.faults.processes import until
from tests.servers import mlflow_server
from tests.world import Maker

PAGE = Path(__file__).parents[2] / "docs/integrations/mlflow.md"
SECTION = """
[mlflow]
secret_file = "{folder}/mlflow-secret"
principal = "mlflow"
models = ["credit", "credit-*"]
experiments = ["credit"]
"""
EVENTS = ("model_version.created", "model_version_alias.created", "model_version_alias.deleted")


@pytest.fixture(scope="module")
def secret(secret_files):
    path = secret_files / "mlflow-secret"
    path.write_text("a secret of MLflow's webhooks\n")
    path.chmod(0o600)
    return path.read_text().strip()


@pytest.fixture
def hooked(start, told, secret, secret_files, captured):
    """A service that takes MLflow's webhooks."""
    return start(text=told() + SECTION.format(folder=secret_files))


@pytest.fixture
def hook(hooked, secret):
    """Sends an event, signed with MLflow's own code."""

    def sent(event, data, name=None, at=None, **headers):
        entity, _, action = event.partition(".")
        about = {"entity": entity, "action": action, "timestamp": "2026-01-01T00:00:00+00:00"}
        body = data if isinstance(data, bytes) else json.dumps({**about, "data": data}).encode()
        name, at = name or str(uuid.uuid4()), str(at or int(time.time()))
        made = _generate_hmac_signature(secret, name, at, body.decode())
        said = {"X-MLflow-Delivery-Id": name, "X-MLflow-Timestamp": at}
        said |= {WEBHOOK_SIGNATURE_HEADER: made, **headers}
        return send(hooked.url + "/v1/hooks/mlflow", said, body)

    return sent


@pytest.fixture
def orders(service):
    """The orders that MLflow has caused, of a model."""

    def found(model):
        with service.evidence.capturing.database.reading() as connection:
            rows = connection.exec_driver_sql(
                "SELECT version, state, experiments FROM captures"
                f" WHERE principal = 'mlflow' AND model = '{model}'"
            )
            return [tuple(row) for row in rows]

    return found


def test_a_real_server_orders_captures_and_unsettles_verdicts(
    tmp_path, admin, hooked, service, secret, world, orders
):
    """MLflow makes the id, the time and the signature, and brings them over a socket."""
    env = {
        "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https",
        "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
        "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": Fernet.generate_key().decode(),
        "MLFLOW_WEBHOOK_CACHE_TTL": "0",
    }
    admin.get(f"/v1/models/credit/versions/{world.v_good}/decision?environment=lab")
    service.evidence.deciding.catch_up()
    before = mlflow.get_tracking_uri()
    try:
        with mlflow_server(tmp_path / "mlflow", **env) as url:
            other = Maker(url)
            run = other.run()
            version = other.version("credit", run)  # nobody has asked to be told of it
            address = f"{hooked.url}/v1/hooks/mlflow"
            other.client.create_webhook("evidence", address, list(EVENTS), secret=secret)
            assert unsettled(service) == []
            other.client.set_registered_model_alias("credit", "champion", version)
            until(lambda: f"models/credit/{world.v_good}" in unsettled(service), 30)
            other.version("credit-elsewhere", run)
            until(lambda: orders("credit-elsewhere"), 30)
    finally:
        mlflow.set_tracking_uri(before)
    service.evidence.deciding.catch_up()


def unsettled(service):
    evidence = service.evidence
    asked = evidence.deciding.policy.environments
    return Standing(evidence.capturing.database, evidence.capturing.store_id).unsettled(asked, 100)


def test_a_version_that_is_registered_is_captured(hook, admin, maker):
    model = maker.new_name("credit-hooked")
    version = maker.version(model, maker.run())
    data = {"name": model, "version": version, "source": "x", "run_id": None, "tags": {}}
    assert hook(EVENTS[0], data) == (202, {"status": "accepted"})
    assert admin.get(f"/v1/models/{model}/versions/{version}/evidence").status_code == 200


def test_a_capture_sees_no_more_than_the_file_says(hook, admin, maker, orders):
    model = maker.new_name("credit-foreign")
    version = maker.version(model, maker.run(experiment="secret-lab"))
    assert hook(EVENTS[0], {"name": model, "version": version})[0] == 202
    assert [one[:2] for one in orders(model)] == [(version, "failed")]
    assert hook(EVENTS[0], {"name": "vault", "version": "1"}) == (200, {"status": "ignored"})
    assert orders("vault") == []


@pytest.mark.parametrize("event", EVENTS[1:])
def test_an_alias_that_is_moved_unsettles_the_verdicts_on_its_model(
    hook, admin, service, world, event
):
    for model, version in (("credit", world.v_good), ("vault", world.v_foreign)):
        admin.get(f"/v1/models/{model}/versions/{version}/decision?environment=lab")
    service.evidence.deciding.catch_up()
    assert unsettled(service) == []
    assert hook(event, {"name": "credit", "alias": "production", "version": "1"})[0] == 202
    found = unsettled(service)
    assert f"models/credit/{world.v_good}" in found
    assert all(one.startswith("models/credit/") for one in found)
    service.evidence.deciding.catch_up()
    assert unsettled(service) == []


@pytest.mark.parametrize("event", ["registered_model.created", "prompt.created", "x.y"])
def test_other_events_are_ignored(hook, event):
    assert hook(event, {"name": "credit"}) == (200, {"status": "ignored"})
    assert hook(event, {"policy": 1}) == (200, {"status": "ignored"})


def test_a_delivery_counts_once(hook, maker, orders):
    model = maker.new_name("credit-twice")
    version = maker.version(model, maker.run())
    name = str(uuid.uuid4())
    data = {"name": model, "version": version}
    assert hook(EVENTS[0], data, name)[0] == 202
    assert hook(EVENTS[0], data, name) == (200, {"status": "ignored"})
    assert len(orders(model)) == 1


def test_one_that_came_to_nothing_may_come_again(hook, maker, orders, monkeypatch):
    model = maker.new_name("credit-later")
    version = maker.version(model, maker.run())
    name, data = str(uuid.uuid4()), {"name": model, "version": version}
    with monkeypatch.context() as patch:
        from mlflow_evidence_plugin.storage import Captures

        def away(*_):
            raise StorageUnavailable("the database is away")

        patch.setattr(Captures, "accept", away)
        assert hook(EVENTS[0], data, name)[0] == 503
    assert hook(EVENTS[0], data, name)[0] == 202
    assert len(orders(model)) == 1


class Killed(BaseException):
    """What ends a process: nothing is tidied up."""


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_one_that_a_crash_cut_short_may_come_again(hook, hooked, maker, orders, monkeypatch):
    """The process ends after the delivery came in, and before anything became of it."""
    model = maker.new_name("credit-crash")
    version = maker.version(model, maker.run())
    name, data = str(uuid.uuid4()), {"name": model, "version": version}
    with monkeypatch.context() as patch:
        from mlflow_evidence_plugin.storage import Captures

        def killed(*_):
            raise Killed

        patch.setattr(Captures, "accept", killed)
        with pytest.raises((OSError, HTTPException)):
            hook(EVENTS[0], data, name)
    assert orders(model) == []
    assert hook(EVENTS[0], data, name)[0] == 202
    assert len(orders(model)) == 1


def test_one_whose_note_was_lost_is_acted_on_twice_to_no_harm(
    hook, admin, maker, orders, monkeypatch
):
    model = maker.new_name("credit-note")
    version = maker.version(model, maker.run())
    name, data = str(uuid.uuid4()), {"name": model, "version": version}
    with monkeypatch.context() as patch:
        from mlflow_evidence_plugin.storage import Deliveries

        def away(*_):
            raise StorageUnavailable("the database is away")

        patch.setattr(Deliveries, "first", away)
        assert hook(EVENTS[0], data, name)[0] == 503
    (first,) = admin.get(f"/v1/bundles?model={model}").json["items"]
    assert hook(EVENTS[0], data, name)[0] == 202
    assert admin.get(f"/v1/bundles?model={model}").json["items"] == [first]


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_delivery_of_another_time_is_refused(hook, minutes):
    at = int(time.time()) + 60 * minutes
    assert hook(EVENTS[0], {"name": "credit", "version": "1"}, at=at)[0] == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"X-MLflow-Signature": "v1," + "A" * 43 + "="},
        {"X-MLflow-Signature": ""},
        {"X-MLflow-Delivery-Id": "another"},
        {"X-MLflow-Timestamp": "1"},
    ],
    ids=["forged", "none", "id", "time"],
)
def test_a_forged_delivery_is_refused_before_it_is_parsed(hook, headers, orders):
    before = orders("credit")
    for data in ({"name": "credit", "version": "1"}, b"{no json"):
        got, said = hook(EVENTS[0], data, **headers)
        assert (got, said["code"]) == (401, "unauthorized")
    assert orders("credit") == before


@pytest.mark.parametrize(
    "data", [b"{no json", b"[1]", b"{}", {"name": ""}, {"name": "credit", "version": 1}]
)
def test_a_signed_body_that_is_no_event_is_refused(hook, data):
    assert hook(EVENTS[0], data)[0] == 422


def test_an_event_without_a_version_is_refused(hook):
    assert hook(EVENTS[0], {"name": "credit"})[0] == 422


def test_what_was_lost_is_found_by_the_script_on_the_page(hooked, service, admin, maker):
    model = maker.new_name("credit-lost")
    version = maker.version(model, maker.run())
    (script,) = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
    env = {**os.environ, "EVIDENCE_URL": hooked.url}
    env["EVIDENCE_TOKEN"] = service.token("nightly", "evidence:read", "capture")
    env["PATH"] = f"{Path(sys.executable).parent}:{env['PATH']}"
    script = script.replace("--model credit ", f"--model {model} ")
    done = subprocess.run(
        ["sh", "-eu", "-c", script], env=env, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert admin.get(f"/v1/models/{model}/versions/{version}/evidence").status_code == 200


def test_a_service_without_that_section_takes_none(served):
    assert send(served.url + "/v1/hooks/mlflow", {}, b"{}")[0] == 404


def test_the_signature_is_what_the_documentation_says(secret):
    signed = hmac.new(secret.encode(), b"id.1.{}", hashlib.sha256).digest()
    made = "v1," + base64.b64encode(signed).decode()
    assert _generate_hmac_signature(secret, "id", "1", "{}") == made
