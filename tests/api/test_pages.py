"""The pages: what they show, where they lead, and that nothing in them runs."""

from __future__ import annotations

import re
from datetime import timedelta
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from api.pages import evidence as views
from mlflow_evidence_plugin.render.formats import RENDERERS
from mlflow_evidence_plugin.service import Evidence
from mlflow_evidence_plugin.signing import Keyring
from mlflow_evidence_plugin.verify import Expected, verify_archive
from tests.api.visitors import NAMES, READ, UNKNOWN, Visitor
from tests.browser.gallery import HOSTILE, made_run
from tests.conftest import instant
from tests.contract.checked import Client


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("who", ["anyone", "reader"])
def test_every_answer_has_the_headers_of_a_page(shown, pages, name, who):
    answer = Visitor(shown.app, shown.token if who == "reader" else None).get(pages[name])
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in policy
    assert "script-src" not in policy and "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answer.headers["Cache-Control"] == "private, no-store"


def test_the_style_needs_no_token_and_is_kept(anyone):
    address = re.search(r'rel="stylesheet" href="([^"]+)"', anyone.get("/sign-in").text).group(1)
    answer = anyone.get(address)
    assert (answer.status_code, answer.mimetype) == (200, "text/css")
    assert "immutable" in answer.headers["Cache-Control"]


def test_a_blocked_version_says_why_and_how_to_mend_it(reader, pages):
    text = reader.get(pages["blocked"]).text
    assert '<span class="status bad"><span aria-hidden="true">✕</span>Blocked</span>' in text
    for told in ("metric-threshold", "auc 0.2", "To mend", "no-regression", "Warnings"):
        assert told in text


def test_an_allowed_version_says_so_for_each_environment(reader, pages):
    text = reader.get(pages["allowed"]).text
    assert text.count("Allowed</span>") == 2
    assert ">prod</h3>" in text and ">lab</h3>" in text


def test_a_verdict_says_which_rules_it_asked_and_the_statements_what_they_are(reader, pages):
    blocked, allowed = reader.get(pages["blocked"]).text, reader.get(pages["allowed"]).text
    assert "7 rules were checked: 2 failed, 1 warned, 4 passed</summary>" in blocked
    assert "7 rules were checked: 1 warned, 6 passed</summary>" in allowed
    assert "1 rule was checked: 1 passed</summary>" in allowed
    assert "metric-threshold {&#34;metric&#34;:&#34;auc&#34;,&#34;min&#34;:0.9}" in allowed
    statements = re.findall("<h3>([^<]+)</h3>", allowed.partition('id="statements"')[2])
    assert statements[:4] == [
        "Release evidence", "Signature of the model’s files", "Training, as provenance", "ML-BOM"
    ]  # fmt: skip
    assert statements[4:] == [
        f"{what} for {where}"
        for where in ("prod", "lab")
        for what in ("Rules that were checked", "Verdict")
    ]


@pytest.mark.parametrize("path", ["/models/tumour/versions/6", f"/runs/{made_run().run_id}"])
def test_short_addresses_lead_to_the_newest_evidence(shown, reader, path):
    answer = reader.get(path)
    assert answer.status_code == 303
    assert answer.headers["Location"] in (f"/bundles/{shown.allowed}", f"/bundles/{shown.run}")


@pytest.mark.parametrize("form", RENDERERS, ids=lambda form: form.name)
def test_each_format_can_be_taken_home(shown, reader, form):
    page = reader.get(f"/bundles/{shown.run}").text
    address = f"/bundles/{shown.run}/evidence.{form.suffix}"
    assert f'href="{address}" download' in page
    answer = reader.get(address)
    assert (answer.status_code, answer.mimetype) == (200, form.media_type)
    name = f"evidence-{shown.run[7:19]}.{form.suffix}"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}"'


def test_the_archive_is_offered_at_the_top_and_where_it_is_verified(shown, reader, tmp_path):
    page = reader.get(f"/bundles/{shown.blocked}").text
    address = f"/bundles/{shown.blocked}/evidence.zip"
    top, _, below = page.partition('<section class="part" id="verify"')
    assert f'href="{address}" download' in top.partition("</ul>")[0]
    assert f'href="{address}" download' in below
    answer = reader.get(address)
    assert (answer.status_code, answer.mimetype) == (200, "application/zip")
    name = re.search('filename="([^"]+)"', answer.headers["Content-Disposition"]).group(1)
    assert f"mlflow-evidence verify ./{name} --key public-key.pem\n" in below
    rest = Client(shown.app, shown.token).get(f"/v1/bundles/{shown.blocked}/archive")
    assert rest.data == answer.data
    (tmp_path / name).write_bytes(answer.data)
    trusted = Keyring.of([(shown.service.home / "public-key.pem").read_bytes()])
    assert verify_archive(tmp_path / name, trusted, Expected(instant(timedelta()))).passed


@pytest.mark.parametrize("path", [f"/bundles/{UNKNOWN}", "/bundles/nonsense"])
def test_an_archive_of_nothing_is_a_page_that_says_so(reader, path):
    answer = reader.get(f"{path}/evidence.zip")
    assert (answer.status_code, answer.mimetype) == (404, "text/html")


def test_every_format_has_words_for_people():
    assert set(views.LABELS) == {one.name for one in RENDERERS}


def test_charts_are_fetched_when_they_are_scrolled_to(shown, reader):
    text = reader.get(f"/bundles/{shown.odd}").text
    sources = re.findall(r'<img src="([^"]+)"[^>]* loading="lazy"', text)
    assert len(sources) == 6 == text.count("<img ")
    for source in sources:
        answer = reader.get(source)
        assert (answer.status_code, answer.mimetype) == (200, "image/svg+xml")


@pytest.mark.parametrize("query", ["", "?name=", "?name=unknown", "?name=<script>"])
def test_a_chart_of_no_metric_is_not_found(shown, reader, query):
    assert reader.get(f"/bundles/{shown.run}/metrics.svg{query}").status_code == 404


@pytest.mark.parametrize(
    ("query", "subjects"),
    [
        ("model=tumour&version=7", {"models/tumour/7"}),
        ("verdict=failed&environment=prod", {"models/tumour/7"}),
        ("verdict=passed&environment=prod&model=&owner=", {"models/tumour/6"}),
        ("ticket=CHG-1042&model=tumour", {"models/tumour/6", "models/tumour/7"}),
        ("tag=evidence.team%3Ddiagnostics&run_id=" + "c" * 32, {"models/tumour/7"}),
        (f"since={instant(timedelta())[:10]}&until={instant(timedelta())[:10]}&model=tumour",
         {"models/tumour/6", "models/tumour/7"}),
        ("until=2020-01-01", set()),
        ("owner=jane", set()),
    ],
)  # fmt: skip
def test_a_search_finds_what_it_names(reader, query, subjects):
    text = reader.get(f"/?{query}").text
    assert set(re.findall(r'<a class="subject"[^>]*>([^<]+)</a>', text)) == subjects
    assert ("Nothing matches" in text) == (not subjects)


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("version=2", "model"),
        ("tag=x", "NAME=VALUE"),
        ("environment=prod", "verdict"),
        ("since=yesterday", "since"),
        ("until=9999-12-31", "until"),
        ("verdict=maybe", "verdict"),
        ("cursor=x", "cursor"),
        ("modle=x", "modle"),
    ],
)
def test_a_search_that_cannot_be_says_what_is_wrong(reader, query, told):
    answer = reader.get(f"/?{query}")
    assert answer.status_code == 422
    assert told in re.search(r'role="alert">([^<]+)<', answer.text).group(1)


def test_pages_of_a_search_lead_through_everything_once(shown, reader, monkeypatch):
    monkeypatch.setattr("api.pages.search.PAGE", 1)
    path, found = "/?ticket=CHG-1042", []
    while path:
        text = reader.get(path).text
        found += re.findall(r'<a class="subject" href="([^"]+)"', text)
        following = re.search(r'<a href="\?([^"]+)" rel="next">', text)
        path = following and "/?" + following.group(1).replace("&amp;", "&")
    assert len(found) == len(set(found)) == 3


class Elements(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found, self.attributes = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append(tag)
        self.attributes += [(tag, *one) for one in attrs]


@pytest.mark.parametrize("name", READ)
def test_a_page_is_made_for_everybody(reader, pages, name):
    page = Elements(reader.get(pages[name]).text)
    assert page.found.count("h1") == page.found.count("main") == 1
    levels = [int(tag[1]) for tag in page.found if re.fullmatch("h[1-6]", tag)]
    assert all(after <= before + 1 for before, after in pairwise(levels))
    ids = [value for _, key, value in page.attributes if key == "id"]
    assert len(ids) == len(set(ids))
    pointed = [
        v for _, k, v in page.attributes if k in ("for", "aria-labelledby", "aria-describedby")
    ]
    pointed += [v[1:] for _, k, v in page.attributes if k == "href" and v.startswith("#")]
    assert set(pointed) <= set(ids)
    fields = page.found.count("input") + page.found.count("select")
    assert fields == sum(1 for tag, key, _ in page.attributes if (tag, key) == ("label", "for"))
    assert page.found.count("table") == page.found.count("caption")
    assert (
        all(("th", "scope", s) in page.attributes for s in ("col", "row"))
        or "table" not in page.found
    )
    assert page.found.count("img") == sum(
        1 for t, k, v in page.attributes if (t, k) == ("img", "alt") and v
    )


@pytest.mark.parametrize("name", READ)
def test_no_page_has_a_script_or_a_foreign_address(reader, pages, name):
    text = reader.get(pages[name]).text
    page = Elements(text)
    assert not {"script", "iframe", "object", "embed", "style"} & set(page.found)
    assert not any(key.startswith("on") or key == "style" for _, key, _ in page.attributes)
    led = [v for _, k, v in page.attributes if k in ("href", "src", "action")]
    assert all(
        v.startswith(("/", "#", "?", "data:image/svg+xml,")) and not v.startswith("//") for v in led
    )


def test_hostile_values_are_shown_as_they_are(reader, pages):
    text = reader.get(pages["odd"]).text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert HOSTILE["script"] not in text
    assert "exe.⟨U+202E⟩gpj" in text


@pytest.mark.parametrize(
    "path", [f"/bundles/{UNKNOWN}", "/bundles/nonsense", "/models/x/versions/1", "/runs/x"]
)
def test_what_is_not_there_gets_a_page_that_says_so(reader, path):
    answer = reader.get(path)
    assert (answer.status_code, answer.mimetype) == (404, "text/html")
    assert "<h1>Not Found</h1>" in answer.text


def test_an_address_that_is_none_is_a_page_for_a_browser_and_a_problem_for_others(reader):
    page = reader.get("/nothing", Accept="text/html,*/*;q=0.8")
    assert (page.status_code, page.mimetype) == (404, "text/html")
    assert page.headers["Content-Security-Policy"]
    for path, accept in (("/nothing", "*/*"), ("/v1/nothing", "text/html"), ("/nothing", "")):
        answer = reader.get(path, Accept=accept)
        assert (answer.status_code, answer.mimetype) == (404, "application/problem+json")


def test_an_unexpected_error_tells_nothing_of_its_cause(shown, reader, monkeypatch):
    def broken(*_):
        raise RuntimeError("secret cause")

    monkeypatch.setattr(Evidence, "exhibit", broken)
    answer = reader.get(f"/bundles/{shown.run}")
    assert (answer.status_code, answer.mimetype) == (500, "text/html")
    assert "secret cause" not in answer.text


@pytest.mark.parametrize("path", ["/?model=a&model=b", "/?model=%00", "/runs/a%0Ab"])
def test_a_malformed_address_gets_a_page(reader, path):
    answer = reader.get(path)
    assert (answer.status_code, answer.mimetype) == (400, "text/html")
