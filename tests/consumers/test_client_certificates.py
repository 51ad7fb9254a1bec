"""The service's own TLS, as an operator starts it: who has no certificate is not heard."""

from __future__ import annotations

import http.client
import json
import ssl
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from mlflow_evidence_plugin.errors import BadConfig
from mlflow_evidence_plugin.settings import Settings
from mlflow_evidence_plugin.wiring import open_tokens
from tests.authority import NEW_KEY, openssl
from tests.conftest import instant
from tests.consumers.clusters import external_data, violations
from tests.faults.processes import end, start, until
from tests.servers import free_port
from tests.world import POLICY


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    """Files: the service's and a client's certificate of one authority, a client's of another."""
    folder = tmp_path_factory.mktemp("pki")
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1"

    def made(name: str, *words: object) -> Path:
        files = ("-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem")
        openssl(
            "req", "-x509", *NEW_KEY, "-days", 2, "-subj", f"/CN={name}", *files, *words, check=True
        )
        return folder / f"{name}.pem"

    for ca in ("ca", "stranger-ca"):
        made(ca)
    for name, ca in (("service", "ca"), ("client", "ca"), ("stranger", "stranger-ca")):
        signed = ("-CA", folder / f"{ca}.pem", "-CAkey", folder / f"{ca}.key", "-addext", names)
        made(name, *signed, "-addext", "basicConstraints=critical,CA:FALSE")
    return folder


def context(pki: Path, who: str | None, version=ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    """As a client has it: it trusts the authority alone."""
    found = ssl.create_default_context(cafile=str(pki / "ca.pem"))
    found.minimum_version = found.maximum_version = version
    if who is not None:
        found.load_cert_chain(pki / f"{who}.pem", pki / f"{who}.key")
    return found


@pytest.fixture(scope="module")
def service_on_tls(pki, tmp_path_factory, mlflow_url, world):
    """The whole service, web and worker, that demands certificates."""
    home = tmp_path_factory.mktemp("tls") / "home"
    (home.parent / "policy.yaml").write_text(POLICY, "utf-8")
    port = free_port()
    files = {"CERT": "service.pem", "KEY": "service.key", "CLIENT_CA": "ca.pem"}
    env = {f"TLS_{key}": str(pki / name) for key, name in files.items()}
    env |= {"TRACKING_URI": mlflow_url, "POLICY_FILE": str(home.parent / "policy.yaml")}
    options = ("--port", str(port), "--web-workers", "1")
    process = start(home, *options, **env)
    found = SimpleNamespace(home=home, port=port, log=home.parent / "home.log")
    try:
        ready = lambda: answer(found, context(pki, "client"), "/readyz") == 200  # noqa: E731
        until(lambda: ready() or process.poll() is not None, 90)
        assert process.poll() is None, found.log.read_text()
        yield found
    finally:
        end(process)


def answer(service, tls, path, body=None, token=None):
    """The status, or None where there was none."""
    connection = http.client.HTTPSConnection("localhost", service.port, timeout=60, context=tls)
    headers = {"Content-Type": "application/json", "Prefer": "wait=30"}
    headers |= {"Authorization": f"Bearer {token}"} if token else {}
    try:
        connection.request("POST" if body else "GET", path, json.dumps(body), headers)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_only_who_has_a_certificate_is_heard(service_on_tls, pki, version):
    assert answer(service_on_tls, context(pki, "client", version), "/livez") == 200
    assert answer(service_on_tls, context(pki, None, version), "/livez") is None
    assert answer(service_on_tls, context(pki, "stranger", version), "/livez") is None


def test_nobody_is_heard_over_plain_http(service_on_tls):
    connection = http.client.HTTPConnection("127.0.0.1", service_on_tls.port, timeout=10)
    with pytest.raises((OSError, http.client.HTTPException)):
        connection.request("GET", "/livez")
        connection.getresponse()
    connection.close()


def test_who_it_is_the_token_still_says(service_on_tls, pki):
    tls = context(pki, "client")
    assert answer(service_on_tls, tls, "/v1/bundles") == 401
    token = (service_on_tls.home / "token").read_text().strip()
    assert answer(service_on_tls, tls, "/v1/bundles", token=token) == 200
    assert answer(service_on_tls, context(pki, "stranger"), "/v1/bundles", token=token) is None


def test_gatekeeper_asks_with_its_certificate_over_tls_1_3(service_on_tls, pki, world):
    tls = context(pki, "client")
    first = (service_on_tls.home / "token").read_text().strip()
    version = {"model": "credit", "version": world.v_good}
    assert answer(service_on_tls, tls, "/v1/captures", version, first) == 201
    tokens = open_tokens(Settings.read({"EVIDENCE_SERVICE_HOME": str(service_on_tls.home)}))
    who = ("gatekeeper", ("evidence:read",), ("*",), ("*",), instant(timedelta()), None, ())
    token = tokens.create(*who, "lab")
    tokens.database.dispose()
    base = f"https://localhost:{service_on_tls.port}/v1/checks/gatekeeper/"
    key = f"models/credit/{world.v_good}"
    assert violations(key, external_data(base + token, [key], 30, tls)) == []
    wrong = token[:-1] + ("a" if token[-1] != "a" else "b")
    assert violations(key, external_data(base + wrong, [key], 30, tls))
    with pytest.raises(OSError):
        external_data(base + token, [key], 30, context(pki, None))
    logged = service_on_tls.log.read_text()
    assert "/v1/checks/gatekeeper/…" in logged or "/v1/checks/gatekeeper/\\u2026" in logged
    for secret in (token, wrong):
        assert secret.split("_", 2)[2] not in logged


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ({"CERT": "service.pem"}, "TLS_KEY is missing"),
        ({"KEY": "service.key"}, "TLS_CERT is missing"),
        ({"CLIENT_CA": "ca.pem"}, "TLS_CERT and EVIDENCE_SERVICE_TLS_KEY is missing"),
        ({"CERT": "nowhere.pem", "KEY": "service.key"}, "cannot be read"),
        ({"CERT": "service.pem", "KEY": "service.key", "CLIENT_CA": "nowhere"}, "cannot be read"),
    ],
    ids=["no-key", "no-cert", "ca-alone", "no-file", "no-ca"],
)
def test_half_a_configuration_is_none(pki, said, wrong):
    env = {f"EVIDENCE_SERVICE_TLS_{key}": str(pki / name) for key, name in said.items()}
    with pytest.raises(BadConfig, match=wrong):
        Settings.read(env)
