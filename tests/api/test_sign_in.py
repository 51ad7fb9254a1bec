"""Signing in: who may see a page, from where a form is taken, and to where it leads."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from datetime import timedelta
from html import unescape

import pytest

from api.pages.sessions import local
from tests.api.visitors import NAMES, UNKNOWN, Visitor
from tests.conftest import instant

PROGRAM = "from mlflow_evidence_plugin.cli.main import main; main()"


@pytest.mark.parametrize("name", NAMES)
def test_without_a_token_every_page_leads_to_the_sign_in_and_back(anyone, pages, name):
    answer = anyone.get(pages[name])
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/sign-in?next=%2F")
    form = anyone.get(answer.headers["Location"])
    back = re.search(r'name="next" value="([^"]*)"', form.text).group(1).replace("&amp;", "&")
    assert back == pages[name]


def test_a_token_opens_what_was_asked_for(shown, anyone):
    wanted = f"/bundles/{shown.allowed}"
    answer = anyone.post("/sign-in", {"token": f" {shown.token}\n", "next": wanted})
    assert (answer.status_code, answer.headers["Location"]) == (303, wanted)
    assert anyone.get(wanted).status_code == 200


@pytest.mark.parametrize(
    ("host", "scheme", "name", "secure"),
    [
        ("127.0.0.1:8080", "http", "evidence", False),
        ("localhost", "http", "evidence", False),
        ("[::1]:8080", "http", "evidence", False),
        ("evidence.example.org", "https", "__Host-evidence", True),
        ("evidence.example.org", "http", "__Host-evidence", True),
        ("127.0.0.1.evil.example", "http", "__Host-evidence", True),
        ("10.0.0.7", "http", "__Host-evidence", True),
    ],
)
def test_the_cookie_is_closed_to_scripts_sites_and_plain_http(shown, host, scheme, name, secure):
    answer = Visitor(shown.app, host=host, scheme=scheme).post("/sign-in", {"token": shown.token})
    (cookie,) = answer.headers.getlist("Set-Cookie")
    said = [part.strip() for part in cookie.split(";")]
    assert said[0] == f"{name}={shown.token}"
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(said)
    assert ("Secure" in said) == secure
    assert not any(part.startswith(("Domain", "Max-Age", "Expires")) for part in said)


def test_over_plain_http_the_form_says_that_the_sign_in_cannot_be_kept(shown):
    said = "came over plain http"
    plain = Visitor(shown.app, host="evidence.example.org")
    assert said in plain.get("/sign-in").text
    assert said not in plain.get("/sign-in", **{"X-Forwarded-Proto": "https"}).text
    assert said not in Visitor(shown.app).get("/sign-in").text


@pytest.fixture
def wrong_tokens(shown):
    service = shown.service
    revoked = service.token("gone")
    service.evidence.tokens.revoke(revoked.split("_")[1], instant(timedelta()))
    late = service.token("late", expires_at=instant(timedelta(seconds=-1)))
    return ["", "x", "mle_0_0", revoked, late, shown.token[:-1], "é☃", "x" * 5000]


def test_every_wrong_token_is_refused_in_the_same_words(anyone, wrong_tokens):
    answers = [anyone.post("/sign-in", {"token": token}) for token in wrong_tokens]
    assert {answer.status_code for answer in answers} == {401}
    assert not any("Set-Cookie" in answer.headers for answer in answers)
    assert len({answer.text for answer in answers}) == 1
    assert "unknown, expired or revoked" in answers[0].text


def test_a_token_that_may_not_read_is_told_so(shown, anyone):
    answer = anyone.post("/sign-in", {"token": shown.service.token("c", "capture")})
    assert answer.status_code == 403
    assert "evidence:read" in answer.text
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("name", NAMES)
def test_a_cookie_that_may_not_read_opens_no_page(shown, pages, name):
    other = Visitor(shown.app, shown.service.token("c", "capture"))
    assert other.get(pages[name]).status_code == 403


def test_a_revoked_token_leads_back_to_the_sign_in(shown):
    token = shown.service.token("leaver", "evidence:read")
    leaver = Visitor(shown.app, token)
    assert leaver.get("/").status_code == 200
    shown.service.evidence.tokens.revoke(token.split("_")[1], instant(timedelta()))
    answer = leaver.get(f"/bundles/{shown.run}")
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/sign-in?next=%2Fbundles%2F")
    assert "evidence=;" in answer.headers["Set-Cookie"]


def test_sign_out_forgets_the_token(reader):
    answer = reader.post("/sign-out")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/sign-in")
    assert reader.get("/").status_code == 303


@pytest.mark.parametrize("path", ["/v1/bundles", "/v1/captures/x"])
def test_the_api_does_not_take_the_cookie(reader, path):
    answer = reader.get(path)
    assert (answer.status_code, answer.mimetype) == (401, "application/problem+json")


def test_the_pages_do_not_take_a_bearer_token(shown, anyone):
    assert anyone.get("/", Authorization=f"Bearer {shown.token}").status_code == 303


def test_what_a_token_may_not_see_is_not_there(shown, pages):
    token = shown.service.token("stranger", experiments=("nothing",), models=("nothing",))
    stranger = Visitor(shown.app, token)
    for name in ("allowed", "picture", "file", "version", "of run"):
        assert stranger.get(pages[name]).status_code == 404, name
    foreign, missing = (stranger.get(pages[name]).text for name in ("allowed", "missing"))
    assert foreign == missing.replace(UNKNOWN, shown.allowed)
    assert "No evidence yet" in stranger.get("/").text


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "none"},
        {"Sec_Fetch_Site": "cross-site", "Origin": "http://127.0.0.1:8080"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Origin": "http://127.0.0.1:8080.evil.example"},
        {"X_Nothing": "said"},
    ],
    ids=str,
)
def test_a_form_that_another_site_sent_is_refused(shown, reader, path, headers):
    answer = reader.post(path, {"token": shown.token}, **headers)
    assert answer.status_code == 403
    assert answer.mimetype == "text/html"
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    "headers", [{"Sec_Fetch_Site": "same-origin"}, {"Origin": "http://127.0.0.1:8080"}], ids=str
)
def test_a_form_of_our_own_is_taken(shown, anyone, headers):
    assert anyone.post("/sign-in", {"token": shown.token}, **headers).status_code == 303


@pytest.mark.parametrize(
    "wanted",
    [
        "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example",
        "https:evil.example", "https://evil.example", "javascript:alert(1)", "evil.example",
        "/\t/evil.example", "/\n/evil.example",
        "", None, " //evil.example", "/sign-out", "/sign-in?next=/", "data:text/html,x", "/%\u2028",
        "http:///evil.example", "//[", "/a\x00",
    ],
)  # fmt: skip
def test_the_sign_in_leads_to_no_other_site(shown, anyone, wanted):
    assert local(wanted) == "/"
    data = {"token": shown.token, **({} if wanted is None else {"next": wanted})}
    assert anyone.post("/sign-in", data).headers["Location"] == "/"


@pytest.mark.parametrize(
    "wanted", ["/", "/?model=a%20b&tag=x%3Dy", "/bundles/sha256:00#metrics", "/runs/x//y"]
)
def test_the_sign_in_leads_back_to_where_somebody_was(wanted):
    assert local(wanted) == wanted


def test_the_command_that_the_sign_in_names_gives_a_token_that_opens_the_pages(shown, anyone):
    text = unescape(anyone.get("/sign-in").text)
    _, *words = shlex.split(re.search(r"<code>(mlflow-evidence [^<]+)</code>", text).group(1))
    made = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words],
        env={**os.environ, "EVIDENCE_SERVICE_HOME": str(shown.service.home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    assert anyone.post("/sign-in", {"token": made.stdout}).status_code == 303
    assert f"/bundles/{shown.allowed}" in anyone.get("/?model=tumour").text
