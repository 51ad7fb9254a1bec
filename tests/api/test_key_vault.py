"""A key in Azure Key Vault: Microsoft's own clients against a double that behaves as the vault."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from mlflow_evidence_plugin.errors import BadConfig, SigningFailed
from mlflow_evidence_plugin.settings import Settings
from mlflow_evidence_plugin.signing import Keyring, open_envelope
from mlflow_evidence_plugin.wiring import build, prepare
from tests.azureml.certificate import certificate
from tests.contract.checked import Client

PATH = "/keys/evidence/0123456789abcdef0123456789abcdef"
SECRET, TOKEN = "of-the-compute", "a-token-for-the-vault"
TYPE = "type"


class Vault:
    """One key, and an identity's endpoint. `meddle` answers in place of the vault."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.port = 0
        self.asked: list[str] = []
        self.meddle: Callable[[Request], Response | None] = lambda _: None

    @property
    def public_pem(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    @property
    def uri(self) -> str:
        return f"azurekms://127.0.0.1:{self.port}{PATH}"

    def __call__(self, environ, start_response):
        request = Request(environ)
        request.get_data()
        self.asked.append(f"{request.method} {request.path}")
        try:
            answer = self._identity(request) or self._answer(request)
        except Exception as error:  # a fault of the double must not pass for an answer of Azure
            answer = reply({"fault of the double": repr(error)}, 500)
        return answer(environ, start_response)

    def _identity(self, request: Request) -> Response | None:
        if request.path != "/msi/token":
            return None
        if request.headers.get("secret") != SECRET:
            return fail(400, "BadRequest", "the secret of the compute is missing")
        until = int(time.time()) + 3600
        return reply({"access_token": TOKEN, "expires_on": until, "token_type": "Bearer"})

    def _answer(self, request: Request) -> Response:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            # The client insists that the vault's host is below the resource's: as
            # NAME.vault.azure.net is below vault.azure.net, 127.0.0.1 is "below" 0.0.1.
            said = 'Bearer authorization="https://login.microsoftonline.com/tenant", '
            said += f'resource="https://0.0.1:{self.port}"'
            refused = fail(401, "Unauthorized", "AKV10000: Request is missing a Bearer token.")
            refused.headers["WWW-Authenticate"] = said
            return refused
        if (meddled := self.meddle(request)) is not None:
            return meddled
        if (request.method, request.path) == ("GET", PATH):
            return reply({"key": self._jwk(), "attributes": {"enabled": True}})
        if (request.method, request.path) == ("POST", f"{PATH}/sign"):
            return self._sign(json.loads(request.get_data()))
        return fail(404, "KeyNotFound", f"A key with {request.path} was not found in this vault.")

    def _sign(self, asked: dict[str, str]) -> Response:
        digest = base64.urlsafe_b64decode(asked["value"] + "==")
        if asked["alg"] != "ES256" or len(digest) != 32:
            return fail(400, "BadParameter", "Key and signing algorithm are incompatible.")
        parts = decode_dss_signature(self.key.sign(digest, ec.ECDSA(Prehashed(SHA256()))))
        raw = b"".join(one.to_bytes(32, "big") for one in parts)
        return reply({"kid": self._jwk()["kid"], "value": encoded(raw)})

    def _jwk(self) -> dict[str, object]:
        numbers = self.key.public_key().public_numbers()
        x, y = (encoded(one.to_bytes(32, "big")) for one in (numbers.x, numbers.y))
        kid = self.uri.replace("azurekms", "https")
        return {"kid": kid, "kty": "EC", "crv": "P-256", "x": x, "y": y, "key_ops": ["sign"]}


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def reply(document: object, status: int = 200, **headers: str) -> Response:
    return Response(json.dumps(document), status, headers, mimetype="application/json")


def fail(status: int, code: str, message: str, **headers: str) -> Response:
    return reply({"error": {"code": code, "message": message}}, status, **headers)


class Quiet(WSGIRequestHandler):
    def log(self, *args: object) -> None:
        pass


@contextmanager
def serving(vault: Vault, folder: Path) -> Iterator[None]:
    tls = tuple(map(str, certificate(folder)))
    server = make_server(
        "127.0.0.1", vault.port, vault, threaded=True, ssl_context=tls, request_handler=Quiet
    )
    server.daemon_threads = True
    vault.port = server.port
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def vault(tmp_path, monkeypatch) -> Iterator[Vault]:
    made = Vault()
    with serving(made, tmp_path):
        monkeypatch.setenv("MSI_ENDPOINT", f"https://127.0.0.1:{made.port}/msi/token")
        monkeypatch.setenv("MSI_SECRET", SECRET)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
        monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
        (tmp_path / "vault.pem").write_bytes(made.public_pem)
        yield made


@pytest.fixture
def said(vault, tmp_path, mlflow_url) -> dict[str, str]:
    named = {
        "HOME": str(tmp_path / "home"),
        "TRACKING_URI": mlflow_url,
        "SIGNING_KEY": vault.uri,
        "SIGNING_PUBLIC_KEY": str(tmp_path / "vault.pem"),
    }
    return {f"EVIDENCE_SERVICE_{name}": value for name, value in named.items()}


@pytest.fixture
def started(said) -> Iterator[SimpleNamespace]:
    settings = Settings.read(said)
    prepare(settings)
    evidence = build(settings)
    yield SimpleNamespace(evidence=evidence, settings=settings)
    evidence.capturing.database.dispose()


def test_the_service_signs_with_the_vault_s_key(started, vault):
    vault.asked.clear()
    envelope = started.evidence.issuing.sign({TYPE: b"{}"})[TYPE]
    assert vault.asked[-1] == f"POST {PATH}/sign"
    assert open_envelope(envelope, Keyring.of([vault.public_pem])).payload == b"{}"
    assert not (started.settings.home / "signing-key.pem").exists()


def test_whoever_may_sign_and_not_read_the_key_signs_as_well(vault, said):
    vault.meddle = lambda request: (
        fail(403, "Forbidden", "no keys/get") if request.method == "GET" else None
    )
    prepare(Settings.read(said))


def slow(request: Request) -> Response:
    time.sleep(20)
    return fail(503, "late", "too late")


AT_START = {
    "no role": (lambda _: fail(403, "Forbidden", "Caller is not authorized: s3cret"), "HTTP 403"),
    "no such key": (lambda _: fail(404, "KeyNotFound", "s3cret"), "HTTP 404"),
    "too many": (lambda _: fail(429, "Throttled", "s3cret", **{"Retry-After": "60"}), "HTTP 429"),
    "broken": (lambda _: Response("<html>s3cret", 200, mimetype="text/html"), "did not sign"),
    "slow": (slow, "ServiceResponseTimeoutError|ServiceResponseError|ServiceRequestError"),
}


@pytest.mark.parametrize("name", AT_START)
def test_a_vault_that_will_not_sign_is_said_at_the_start_within_seconds(name, vault, said):
    vault.meddle, told = AT_START[name]
    began = time.monotonic()
    with pytest.raises(BadConfig, match=told) as refused:
        prepare(Settings.read(said))
    assert time.monotonic() - began < 25
    assert "this identity may sign" in refused.value.mend
    assert "s3cret" not in str(refused.value)


def test_so_is_an_identity_that_gets_no_token(vault, said, monkeypatch):
    monkeypatch.setenv("MSI_SECRET", "wrong")
    with pytest.raises(BadConfig, match="ClientAuthenticationError"):
        prepare(Settings.read(said))


def test_another_version_s_public_part_is_no_pair(vault, said, tmp_path):
    (tmp_path / "vault.pem").write_bytes(Vault().public_pem)
    with pytest.raises(BadConfig, match="no pair"):
        prepare(Settings.read(said))


def test_a_vault_that_is_away_during_a_capture_costs_a_retry_and_ends_explained(
    started, vault, maker
):
    from api.app import create_app

    evidence = started.evidence
    app = create_app(evidence, lambda order: evidence.capturing.perform(order))
    client = Client(app, (started.settings.home / "token").read_text().strip())
    vault.meddle = lambda _: fail(503, "Unavailable", "s3cret", **{"Retry-After": "60"})
    order = client.capture(run_id=maker.run())
    tried = evidence.capturing.captures.get(order.json["id"])
    assert (tried.ended, tried.attempts) == (False, 1)
    vault.meddle = lambda _: None
    done = evidence.capturing.perform(tried.id)
    assert done.state == "done", done
    statements = client.get(f"/v1/bundles/{done.record_digest}").json["statements"]
    for one in statements:
        assert open_envelope(json.dumps(one).encode(), Keyring.of([vault.public_pem]))
    vault.meddle = lambda _: fail(403, "Forbidden", "s3cret")
    order = client.capture(run_id=maker.run())
    ended = evidence.capturing.captures.get(order.json["id"])
    while not ended.ended:
        ended = evidence.capturing.perform(ended.id)
    assert (ended.state, ended.error_code) == ("failed", "signing-failed")
    assert "HTTP 403" in ended.error_detail
    assert "lets this identity sign" in ended.error_mend
    assert "s3cret" not in repr(ended)


def test_one_that_does_not_answer_any_more_costs_seconds(started, vault):
    vault.meddle = slow
    began = time.monotonic()
    with pytest.raises(SigningFailed):
        started.evidence.issuing.sign({TYPE: b"{}"})
    assert time.monotonic() - began < 25
