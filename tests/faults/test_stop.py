"""The service is asked to stop: who is idle does not hold it up, who waits is still answered."""

from __future__ import annotations

import http.client
import signal
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from mlflow_evidence_plugin.settings import Settings
from mlflow_evidence_plugin.wiring import prepare
from tests.authority import NEW_KEY, openssl
from tests.faults.cluster import ONCE, PATIENCE
from tests.faults.processes import end, members, start, until
from tests.servers import free_port

NOWHERE = "http://127.0.0.1:9"
IDLE, STOP = 7, 15
"""Seconds after which nobody idle is waited for, and within which the service then has stopped."""


def ask(client: http.client.HTTPConnection) -> bool:
    """Whether the service, which answers, keeps the connection open."""
    client.request("GET", "/livez")
    answer = client.getresponse()
    assert (answer.status, bool(answer.read())) == (200, True)
    return not answer.will_close


def listens(client: http.client.HTTPConnection) -> bool:
    try:
        client.connect()
    except OSError:
        return False
    return True


def certificate(folder: Path) -> dict[str, str]:
    files = {"TLS_KEY": folder / "own.key", "TLS_CERT": folder / "own.pem"}
    made = ("-keyout", files["TLS_KEY"], "-out", files["TLS_CERT"], "-subj", "/CN=localhost")
    openssl("req", "-x509", *NEW_KEY, *made, check=True)
    return {name: str(file) for name, file in files.items()}


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("parts", [(), ("web",)], ids=["whole", "web"])
def test_a_client_that_keeps_its_connection_open_does_not_hold_a_stop_up(tmp_path, scheme, parts):
    env, port = {"TRACKING_URI": NOWHERE}, free_port()
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    if scheme == "https":
        env |= certificate(tmp_path)
        tls = ssl._create_unverified_context()
        client = http.client.HTTPSConnection("127.0.0.1", port, timeout=PATIENCE, context=tls)
    named = {"HOME": str(tmp_path / "home"), **env}
    prepare(Settings.read({f"EVIDENCE_SERVICE_{name}": value for name, value in named.items()}))
    service = start(tmp_path / "home", "--port", str(port), *parts, **env)
    try:
        with closing(client):
            until(lambda: listens(client), PATIENCE)
            assert ask(client), "it is kept open"
            service.send_signal(signal.SIGTERM)
            assert service.wait(STOP) == 0
            assert members(service) == []
    finally:
        end(service)


@pytest.mark.parametrize("cluster_of_kind", ["sqlite"], indirect=True)
def test_who_waits_for_a_capture_is_answered_before_the_service_stops(cluster, maker):
    cluster.up()
    run, service = maker.run(), cluster.together()
    order = {"run_id": run}
    client = http.client.HTTPConnection("127.0.0.1", cluster.port, timeout=PATIENCE)
    try:
        with closing(client), ThreadPoolExecutor(1) as pool, cluster.holding(run) as gate:
            waiting = pool.submit(cluster.ask, "/v1/captures", order, Prefer="wait=30")
            gate.wait()
            assert ask(client), "it is kept open"
            service.send_signal(signal.SIGTERM)
            time.sleep(1)
            assert not ask(client), "what was on its way is answered, as the last one"
            time.sleep(IDLE)
            gate.opened.set()
            said = waiting.result(PATIENCE)
            assert service.wait(STOP) == 0
        assert (said.status, said.document["state"]) == (201, "done")
        assert cluster.kept(run) == ONCE
    finally:
        end(service)
