"""A workspace that cannot be read: a clear error within seconds, and nobody is asked to sign in."""

from __future__ import annotations

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from mlflow_evidence_plugin.errors import StoreRefused, StoreUnavailable

from .answers import Cut, Response, fail, reply
from .conftest import NEEDS_AZUREML, ended, job
from .direct import bare_run
from .test_cli import PROGRAM

pytestmark = NEEDS_AZUREML

DENIED = {"error": {"code": "UserError", "innerError": {"code": "AuthorizationError"}}}
LATER = {"Retry-After": "600"}
FAULTS = {
    "401": (lambda: fail(401, "UserError", "Bearer token not provided."), StoreRefused),
    "401-empty": (lambda: Response(b"", 401), StoreRefused),
    "403": (lambda: reply(DENIED, 403), StoreRefused),
    "403-empty": (lambda: Response(b"", 403), StoreRefused),
    "403-status": (lambda: reply({"error": {}, "statusCode": 403}, 403), StoreRefused),
    "odd": (lambda: reply({"error": [], "statusCode": [1]}, 500), StoreUnavailable),
    "429": (lambda: fail(429, "TooManyRequests", "slow down", **LATER), StoreUnavailable),
    "503": (lambda: fail(503, "ServiceUnavailable", "soon", **LATER), StoreUnavailable),
    "cut": (Cut, StoreUnavailable),
    "html": (lambda: Response("<html>the proxy</html>", mimetype="text/html"), StoreUnavailable),
}
SECONDS = 15


@pytest.fixture
def store(workspace, in_workspace, monkeypatch):
    """The service's reader, which tries again once and at once."""
    from mlflow_evidence_plugin.collect import MlflowStore, Roots, azure
    from mlflow_evidence_plugin.settings import MLFLOW_CLIENT

    quick = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0"}
    for name, value in {**MLFLOW_CLIENT, **quick}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(azure, "PAUSE", 0.01)
    made = MlflowStore(workspace.uri, None, Roots.of_store(workspace.uri), 1 << 30)
    made.ping()
    yield made
    workspace.meddle = None


@pytest.mark.parametrize("fault", FAULTS)
def test_what_the_workspace_answers_is_told(store, workspace, fault):
    answer, kind = FAULTS[fault]
    workspace.meddle = lambda request, forward: answer()
    began = time.monotonic()
    with pytest.raises(kind) as told:
        store.ping()
    assert type(told.value) is kind
    assert time.monotonic() - began < SECONDS
    assert told.value.mend
    if kind is StoreRefused:
        assert "AzureML Data Scientist" in told.value.mend
    if fault == "429":
        assert "fewer requests" in told.value.detail


@pytest.mark.parametrize("fault", FAULTS)
def test_artifacts_that_are_not_listed_are_a_gap(store, workspace, world, fault):
    def meddle(request, forward):
        return FAULTS[fault][0]() if "/artifacts" in request.path else forward()

    workspace.meddle = meddle
    began = time.monotonic()
    found = store.run(world.finished, lambda _: None, lambda _: None)
    assert [(gap.place, gap.code) for gap in found.gaps] == [("outputs", "not-listed")]
    assert found.parameters == {"depth": "3"}
    assert time.monotonic() - began < SECONDS


@pytest.mark.parametrize("fault", ["403-empty", "503", "cut"])
def test_a_file_that_storage_does_not_give_is_a_gap(store, workspace, world, fault):
    def meddle(request, forward):
        return FAULTS[fault][0]() if request.path.endswith("model/MLmodel") else forward()

    workspace.meddle = meddle
    found = store.run(world.finished, Nothing, lambda _: None)
    assert [(gap.place, gap.code) for gap in found.gaps] == [
        ("outputs/model/MLmodel", "unreadable")
    ]
    assert len(found.artifacts) == 4


class Nothing:
    """An observer that finds nothing."""

    def __init__(self, place: str) -> None:
        self.place = place

    def update(self, chunk: bytes) -> None: ...

    def finish(self) -> list:
        return []


def test_an_identity_endpoint_that_never_answers_does_not_hold_us(store, workspace, monkeypatch):
    from mlflow_evidence_plugin.collect import MlflowStore, Roots, azure

    monkeypatch.setattr(azure, "TIMEOUT", 1)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        endpoint = f"http://127.0.0.1:{deaf.getsockname()[1]}/msi/token"
        monkeypatch.setenv("MSI_ENDPOINT", endpoint)
        # The client remembers an identity by the address.
        other = workspace.uri.replace("127.0.0.1", "localhost")
        began = time.monotonic()
        with pytest.raises(StoreUnavailable, match="could not sign in"):
            MlflowStore(other, None, Roots(()), 1 << 30).identify()
    assert time.monotonic() - began < SECONDS


@pytest.fixture(scope="module")
def said(workspace, client_env, tmp_path_factory) -> SimpleNamespace:
    """What commands left whose environment lacks something, side by side."""
    work = tmp_path_factory.mktemp("errors")
    browser = work / "browser"
    browser.write_text(f"#!/bin/sh\ntouch {work}/opened\n")
    browser.chmod(0o755)
    base = {**client_env, "BROWSER": f"{browser} %s", "EVIDENCE_SERVICE_HOME": str(work / "home")}
    late = {**job(workspace, bare_run(workspace)), "MLFLOW_TRACKING_TOKEN": workspace.token(-60)}
    stranger = _other_authority(work)
    cases = {
        "nobody": (["doctor", "-o", "json"], {"MSI_ENDPOINT": None, "MSI_SECRET": None}),
        "unknown": (["capture", "runs/" + "0" * 32], {"MSI_SECRET": "wrong"}),
        "late": (["store", "show"], late),
        "stranger": (["store", "show"], {"REQUESTS_CA_BUNDLE": stranger}),
    }

    def run(case):
        words, env = case
        return ended([str(PROGRAM), *words], work, {**base, **env})

    with ThreadPoolExecutor(2) as pool:
        done = dict(zip(cases, pool.map(run, cases.values()), strict=True))
    return SimpleNamespace(opened=work / "opened", **done)


def _other_authority(work: Path) -> str:
    from .certificate import certificate

    (work / "other").mkdir()
    return str(certificate(work / "other")[0])


def test_without_an_identity_nobody_is_asked_to_sign_in(said):
    assert not said.opened.exists()
    assert said.nobody.code == 1
    checks = {one["name"]: one for one in json.loads(said.nobody.out)}
    assert checks["azure ml client"]["state"] == "ok"
    assert checks["azure ml"]["state"] == "fail"
    assert "no Azure identity" in checks["azure ml"]["found"]
    assert "az login" in checks["azure ml"]["mend"]
    assert "microsoft.com/device" not in said.nobody.out + said.nobody.err
    assert said.nobody.seconds < 60  # mostly the imports of a busy machine


def test_an_identity_that_is_refused_is_told_as_none(said):
    assert (said.unknown.code, said.unknown.err.count("\n")) == (5, 2), said.unknown.err
    assert "no Azure identity" in said.unknown.err


def test_an_expired_token_of_a_job_is_told(said):
    assert (said.late.code, said.late.err.count("\n")) == (5, 2), said.late.err
    assert "MLFLOW_TRACKING_TOKEN has expired" in said.late.err


def test_an_authority_that_is_not_trusted_is_told(said):
    assert (said.stranger.code, said.stranger.err.count("\n")) == (6, 2), said.stranger.err
    assert "REQUESTS_CA_BUNDLE" in said.stranger.err
