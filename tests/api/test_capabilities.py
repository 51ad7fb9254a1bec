"""Tokens that are bound to an environment, as a header and in an address: what they open."""

from __future__ import annotations

import logging
import re
from datetime import timedelta

import pytest

from api.tracing import shown
from mlflow_evidence_plugin.storage.tokens import SCOPES
from tests.conftest import instant
from tests.contract.test_contract import BODY, GUARDED, QUERY, view_of

DECISIONS = [
    ("get", f"/v1/models/{{name}}/{kind}/decision")
    for kind in ("versions/{version}", "aliases/{alias}", "stages/{stage}")
]
CHECKS = [("post", f"/v1/checks/azure-devops{how}") for how in ("", "/callback")]
"""What a bound token may ask: verdicts. Everything else is closed to it."""

FLAGGER, GATEKEEPER = "/v1/checks/flagger/", "/v1/checks/gatekeeper/"


@pytest.fixture
def bound(service):
    """Makes a token; what is not said is as for a gate of `prod`."""

    def make(environment="prod", scopes=("evidence:read",), later=timedelta(days=1)):
        globs = (("*",), ("*",))
        times = (instant(timedelta()), instant(later))
        return service.evidence.tokens.create("gate", scopes, *globs, *times, (), environment)

    return make


@pytest.fixture
def canary(world):
    metadata = {"model": "credit", "version": world.v_good}
    return {"name": "credit", "namespace": "serving", "phase": "Progressing", "metadata": metadata}


def asked(version):
    keys = [f"models/credit/{version}"]
    kind = {"apiVersion": "externaldata.gatekeeper.sh/v1beta1", "kind": "ProviderRequest"}
    return kind | {"request": {"keys": keys}}


def test_only_verdicts_are_open_to_a_bound_token(app):
    assert {one for one in GUARDED if view_of(app, *one).verdicts} == {*DECISIONS, *CHECKS}


@pytest.mark.parametrize(
    ("method", "path"), [x for x in GUARDED if x not in DECISIONS and "/checks/" not in x[1]]
)
def test_a_bound_token_opens_nothing_but_verdicts_whatever_its_scopes(client, bound, method, path):
    target = re.sub(r"{\w+}", "unknown", path) + QUERY.get(path, "")
    answer = client(bound(scopes=SCOPES)).open(
        method.upper(), target, json=BODY.get((method, path))
    )
    assert (answer.status_code, answer.json["code"]) == (403, "forbidden")


@pytest.mark.parametrize("what", ["versions/{}", "aliases/production", "stages/None"])
def test_a_bound_token_asks_for_verdicts_in_its_environment_alone(
    client, bound, captured, world, what
):
    path = f"/v1/models/credit/{what.format(world.v_good)}/decision"
    ask = client(bound()).get
    for query in ("", "?environment=prod"):
        answer = ask(path + query)
        if answer.status_code != 404:  # nobody is in that stage
            assert answer.json["environment"] == "prod"
    assert ask(path + "?environment=lab").status_code == 403
    assert ask("/v1/models/nowhere/versions/1/decision?environment=lab").status_code == 403


def test_a_bound_token_in_azure_devops_check(client, bound, captured, world):
    said = {"model": "credit", "version": world.v_good}
    ask = client(bound()).post
    assert ask("/v1/checks/azure-devops", said).json["environment"] == "prod"
    answer = ask("/v1/checks/azure-devops", said | {"environment": "lab"})
    assert answer.status_code == 403


def test_a_bound_token_does_not_sign_in(app, bound):
    page = app.test_client().post(
        "/sign-in", data={"token": bound()}, headers={"Sec-Fetch-Site": "same-origin"}
    )
    assert page.status_code == 403
    assert "Set-Cookie" not in page.headers
    seen = app.test_client()
    seen.set_cookie("evidence", bound())
    assert seen.get("/").status_code == 403


# In an address


def test_an_address_answers_for_its_environment(client, bound, captured, canary, world):
    anyone = client(None)
    assert anyone.post(FLAGGER + bound(), canary).status_code == 200
    answer = anyone.post(GATEKEEPER + bound("lab"), asked(world.v_good))
    (item,) = answer.json["response"]["items"]
    assert item["value"]["environment"] == "lab"
    canary["metadata"]["environment"] = "lab"
    assert anyone.post(FLAGGER + bound(), canary).status_code == 403


@pytest.mark.parametrize(
    ("environment", "scopes"),
    [(None, ("evidence:read",)), ("prod", ("admin",)), ("prod", ("evidence:read", "capture"))],
    ids=["unbound", "admin", "more"],
)
def test_no_other_token_may_stand_in_an_address(client, bound, canary, world, environment, scopes):
    token = bound(environment, scopes)
    for path, body in ((FLAGGER, canary), (GATEKEEPER, asked(world.v_good))):
        answer = client(None).post(path + token, body)
        assert (answer.status_code, answer.json["code"]) == (403, "forbidden")


def test_a_wrong_address_is_refused_in_the_same_words_as_a_wrong_token(
    client, service, bound, canary
):
    revoked = bound()
    assert client(None).post(FLAGGER + revoked, canary).status_code != 401
    service.evidence.tokens.revoke(revoked.split("_")[1], instant(timedelta()))
    expired = bound(later=timedelta(seconds=-1))
    guessed = bound().rsplit("_", 1)[0] + "_guess"
    told = set()
    for token in (revoked, expired, guessed, "mle_0_0", "x"):
        for path in (FLAGGER, GATEKEEPER):
            answer = client(None).post(path + token, canary)
            assert answer.status_code == 401
            told.add(answer.json["detail"])
    assert told == {"the token is unknown, expired or revoked"}


def test_the_secret_of_an_address_is_neither_logged_nor_answered(
    app, bound, captured, canary, world, caplog
):
    caplog.set_level(logging.DEBUG)
    token = bound()
    secret = token.split("_", 2)[2]
    mistyped = token.replace("mle_", "mle-")
    ask = app.test_client().open
    for base, body in ((FLAGGER, canary), (GATEKEEPER, asked(world.v_good))):
        for one in (token, token + "x", mistyped, token.upper()):
            for path in (base + one, base + one + "/more", base.replace("/v1", "//v1") + one):
                for method in ("POST", "GET"):
                    answer = ask(path, method=method, json=body)
                    told = answer.text + str(answer.headers)
                    assert secret.lower() not in told.lower(), (method, path)
    assert "/v1/checks/flagger/" in caplog.text
    for record in caplog.records:
        assert secret.lower() not in str(vars(record)).lower()


@pytest.mark.parametrize("base", [FLAGGER, GATEKEEPER])
@pytest.mark.parametrize("doubled", range(1, 4))
def test_an_address_with_a_slash_too_many_leads_nowhere_and_is_not_repeated(
    app, bound, base, doubled
):
    """A redirect to the right one would hold the secret."""
    token, parts = bound(), base.split("/")
    parts.insert(doubled + 1, "")
    answer = app.test_client().post("/".join(parts) + token, json={})
    assert answer.status_code == 404
    assert token.split("_", 2)[2] not in answer.text + str(answer.headers)


@pytest.mark.parametrize(
    ("path", "logged"),
    [
        ("/v1/bundles/sha256:0", "/v1/bundles/sha256:0"),
        ("/v1/checks/azure-devops", "/v1/checks/azure-devops"),
        ("/v1/checks/flagger/mle_0123456789abcdef_s", "/v1/checks/flagger/…"),
        ("/v1/checks//Gatekeeper//x/y", "/v1/checks//Gatekeeper//…"),
        ("/elsewhere/mle_0123456789abcdef_s/y", "/elsewhere/mle_0123456789abcdef_…"),
        ("/elsewhere/mle_0123456789abcdef_a\nb", "/elsewhere/mle_0123456789abcdef_…"),
    ],
)
def test_what_is_logged_of_a_path(path, logged):
    assert shown(path) == logged
