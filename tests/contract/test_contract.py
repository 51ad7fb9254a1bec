"""openapi.yaml is what the service serves, and every operation of it is guarded."""

from __future__ import annotations

import re

import pytest
import yaml
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from api.contract import as_yaml
from mlflow_evidence_plugin.render.formats import RENDERERS
from tests.contract.checked import CONTRACT, contract, operations

HEALTH = {("get", "/livez"), ("get", "/readyz")}
OPEN = HEALTH | {("get", "/v1/trust")}
SIGNED = {
    ("post", "/v1/checks/github"): "github",
    ("post", "/v1/checks/gitlab/deployments"): "gitlabWebhook",
    ("post", "/v1/checks/gitlab/merge-requests"): "gitlabCheck",
    ("post", "/v1/hooks/mlflow"): "mlflow",
}
"""Webhooks: what lets them in is their signature (tests/consumers)."""
ADDRESSED = {
    ("post", "/v1/checks/flagger/{capability}"),
    ("post", "/v1/checks/gatekeeper/{capability}"),
}
"""What lets them in is their address (tests/api/test_capabilities.py)."""
GUARDED = [one for one in operations() if one not in {*OPEN, *SIGNED, *ADDRESSED}]
BODY = {
    ("post", "/v1/captures"): {"run_id": "unknown"},
    ("post", "/v1/runs/{run_id}/stamp"): {"values": {}},
    ("post", "/v1/bundles/{digest}/erasure"): {"reason": "a leak"},
    ("post", "/v1/bundles/{digest}/approvals"): {"role": "risk", "decision": "approved"},
    ("post", "/v1/bundles/{digest}/approvals/{statement}/revocation"): {},
    ("post", "/v1/bundles/{digest}/waivers"): {
        "environment": "prod",
        "rule": "tracked-run",
        "reason": "a drill",
        "expires_at": "2090-01-01T00:00:00Z",
    },
}
QUERY = {
    "/v1/ledger/consistency": "?old=0",
    "/v1/compare": "?base=runs/unknown&other=runs/unknown",
    "/v1/experiments/{name}/history": "?metric=unknown",
}
DRAWN = {
    "/v1/compare": (),
    "/v1/experiments/{name}/history": ("image/svg+xml", "image/png"),
}
"""What also comes as Markdown, and as these pictures."""
SCOPES = {
    ("post", "/v1/captures"): "capture",
    ("get", "/v1/captures/{capture_id}"): "capture",
    ("post", "/v1/runs/{run_id}/stamp"): "stamp",
    ("post", "/v1/attestations"): "ingest",
    ("post", "/v1/bundles/{digest}/erasure"): "admin",
    ("post", "/v1/bundles/{digest}/approvals"): "approve",
    ("post", "/v1/bundles/{digest}/approvals/{statement}/revocation"): "approve",
    ("post", "/v1/bundles/{digest}/waivers"): "policy",
    ("post", "/v1/policies/explain"): "policy",
}
"""What an operation needs that does not only read."""


def test_openapi_yaml_is_valid_openapi_3_1():
    assert contract()["openapi"].startswith("3.1.")
    validate(contract(), cls=OpenAPIV31SpecValidator)


def test_openapi_yaml_is_what_the_code_makes(app):
    assert CONTRACT.read_text("utf-8") == as_yaml(app)


def test_openapi_yaml_is_what_is_served_and_needs_no_token(client):
    answer = client(None).get("/openapi.yaml")
    assert answer.status_code == 200
    assert answer.mimetype == "application/yaml"
    assert answer.text == CONTRACT.read_text("utf-8")


def test_every_route_of_the_application_is_documented(app):
    documented = {(m.upper(), re.sub(r"{\w+}", "{}", path)) for m, path in operations()}
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<[^>]+>", "{}", rule.rule)
        page = rule.endpoint.startswith("pages.")
        if not page and not path.startswith(("/docs", "/openapi.yaml")):
            for method in rule.methods - {"HEAD", "OPTIONS"}:
                assert (method, path) in documented


@pytest.mark.parametrize(("method", "path"), operations())
def test_an_operation_documents_each_status_and_none_by_default(method, path):
    responses = contract()["paths"][path][method]["responses"]
    assert "default" not in responses
    for status, response in responses.items():
        found = set(response.get("content", {}))
        if status == "304":
            assert not found
        elif (path, status) == ("/v1/checks/flagger/{capability}", "409"):
            assert found == {"text/plain"}  # Flagger shows it as it is
        elif int(status) >= 400:
            assert found == {"application/problem+json"}
        elif path in DRAWN:
            assert found == {"application/json", "text/markdown", *DRAWN[path]}
        elif path.endswith("/evidence") or path == "/v1/bundles/{digest}":
            assert found == {one.media_type for one in RENDERERS}
        else:
            kept = ({"text/csv"}, {"text/plain"}, {"application/zip"})
            assert found == {"application/json"} or found in kept


@pytest.mark.parametrize(("method", "path"), GUARDED)
def test_an_operation_documents_its_security(method, path):
    operation = contract()["paths"][path][method]
    assert operation["security"] == [{"token": []}]
    assert {"401", "403"} <= set(operation["responses"])


@pytest.mark.parametrize(("method", "path"), SIGNED)
def test_a_webhook_documents_its_signature(method, path):
    scheme = SIGNED[method, path]
    operation = contract()["paths"][path][method]
    assert operation["security"] == [{scheme: []}]
    assert contract()["components"]["securitySchemes"][scheme]["in"] == "header"
    assert "401" in operation["responses"]


@pytest.mark.parametrize(("method", "path"), sorted(ADDRESSED))
def test_an_address_that_is_a_capability_needs_no_other(method, path):
    operation = contract()["paths"][path][method]
    assert operation["security"] == []
    assert {"401", "403"} <= set(operation["responses"])


@pytest.mark.parametrize(("method", "path"), sorted(HEALTH))
def test_health_needs_no_token(client, method, path):
    answer = client(None).open(method.upper(), path)
    assert (answer.status_code, answer.json) == (200, {"status": "ok"})


def scope_of(app, method, path):
    """The scope that the view behind an operation requires."""
    return view_of(app, method, path).scope


def view_of(app, method, path):
    """The view behind an operation, as `requires` has made it."""
    for rule in app.url_map.iter_rules():
        same = re.sub(r"<[^>]+>", "{}", rule.rule) == re.sub(r"{\w+}", "{}", path)
        if same and method.upper() in rule.methods:
            view = app.view_functions[rule.endpoint]
            while not hasattr(view, "scope"):
                view = view.__wrapped__
            return view
    raise AssertionError(f"no view serves {method} {path}")


@pytest.mark.parametrize(("method", "path"), GUARDED)
def test_orders_and_writing_need_a_scope_and_all_else_only_that_to_read(app, method, path):
    assert scope_of(app, method, path) == SCOPES.get((method, path), "evidence:read")


@pytest.fixture
def ask(client):
    """Asks an operation with a token, about something that is not there."""

    def asked(method, path, token):
        target = re.sub(r"{\w+}", "unknown", path) + QUERY.get(path, "")
        return client(token).open(method.upper(), target, json=BODY.get((method, path)))

    return asked


@pytest.mark.parametrize("token", [None, "bad", "expired", "revoked"])
@pytest.mark.parametrize(("method", "path"), GUARDED)
def test_no_operation_answers_without_a_valid_token(ask, tokens, method, path, token):
    sent = {None: None, "bad": "mle_0123456789abcdef_guess"}.get(
        token, getattr(tokens, str(token), None)
    )
    answer = ask(method, path, sent)
    assert answer.status_code == 401
    assert answer.json["code"] == "unauthorized"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(("method", "path"), GUARDED)
def test_every_operation_refuses_a_token_without_its_scope(app, ask, tokens, method, path):
    scope = scope_of(app, method, path)
    others = {"capture": tokens.reader, "stamp": tokens.mine}
    second = tokens.reader if scope == "approve" else tokens.approver
    for wrong in (others.get(scope, tokens.capturer), second):
        answer = ask(method, path, wrong)
        assert answer.status_code == 403
        assert answer.json["code"] == "forbidden"
        assert scope in answer.json["mend"]


@pytest.mark.parametrize(("method", "path"), GUARDED)
def test_every_operation_lets_its_scope_and_an_admin_in(app, ask, service, tokens, method, path):
    for right in (service.token("right", scope_of(app, method, path)), tokens.admin):
        answer = ask(method, path, right)
        # The service of these tests may not write into MLflow: then that is what it says.
        assert answer.status_code not in (401, 403) or answer.json["code"] == "write-back-off"


@pytest.mark.parametrize("header", ["Basic YTpi", "Bearer", "Bearer  ", "mle_x_y", "Bearer é☃"])
def test_a_malformed_authorization_header_is_no_token(client, header):
    answer = client(None).get("/v1/bundles", headers={"Authorization": header})
    assert answer.status_code == 401


def test_a_wrong_secret_is_refused_in_the_same_words_as_an_unknown_token(client, tokens):
    known = tokens.reader.rsplit("_", 1)[0] + "_guess"
    said = {
        client(t).get("/v1/bundles").json["detail"] for t in (known, "mle_0_0", "x", tokens.expired)
    }
    assert said == {"the token is unknown, expired or revoked"}


def test_the_docs_page_and_its_assets_are_served_and_name_no_other_host(client):
    page = client(None).get("/docs/")
    assert page.status_code == 200
    linked = re.findall(r"""(?:src|href)=["']([^"']+)["']""", page.text)
    assert any(name.endswith("swagger-ui-bundle.js") for name in linked)
    for name in linked:
        assert name.startswith("/docs/"), name
        assert client(None).get(name).status_code == 200
    config = re.search(r"user_config = (\{.*?\});", page.text, re.DOTALL)
    assert yaml.safe_load(config.group(1))["url"] == "/openapi.yaml"
    assert set(re.findall(r"//([\w.:-]+)/", page.text)) <= {"localhost"}


def test_the_docs_do_not_serve_files_from_elsewhere(client):
    for path in ("/docs/../../../../etc/passwd", "/docs/%2e%2e/%2e%2e/flask_swagger_ui.py"):
        assert client(None).get(path).status_code == 404
