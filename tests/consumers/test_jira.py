"""Jira: what it fetches, and what it is told: link, comment, files."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from api.consumers.outgoing import Limits
from api.consumers.telling import ONCE
from mlflow_evidence_plugin.render.adf import MOST, verdict_adf
from mlflow_evidence_plugin.storage import Deliveries
from tests.conftest import instant
from tests.consumers.conftest import PUBLIC_URL
from tests.consumers.jira import COMMENT_LIMIT, length, text_of, wrong_in
from tests.contract.checked import Client
from tests.faults.processes import until

FILE = """
version = 1

[jira]
url = "{url}"
addresses = "loopback"
user = "evidence@example.org"
password_file = "{folder}/jira-token"
tickets = '[A-Z]+-[0-9]+'
environments = ["prod"]
models = ["told-*"]
experiments = ["*"]
"""
HOUR = timedelta(hours=1)


@pytest.fixture
def key(maker, jira):
    return jira.new_issue("RISK-" + maker.new_name("1").replace("-", ""))


@pytest.fixture
def text(jira, secret_files):
    return FILE.format(url=jira.url, folder=secret_files)


@pytest.fixture
def news(service, teller, text, last):
    """Leaves out what other tests have made: tells what comes from here on."""
    Deliveries(service.evidence.capturing.database).forget("9999")

    def made(later: timedelta = timedelta(), **changes):
        telling = teller(text, later, **changes)
        telling.seq = last
        return telling

    return made


@pytest.fixture
def told(news):
    return lambda *args, **changes: news(*args, **changes).catch_up()


def waive(service, app, release):
    waiver = {
        "environment": "prod",
        "rule": "metric-threshold",
        "reason": "known",
        "expires_at": instant(timedelta(days=1)),
    }
    client = Client(app, service.token("omar", "evidence:read", "policy"))
    assert client.post(f"/v1/bundles/{release.digest}/waivers", waiver).status_code == 201


# Told


def test_an_issue_gets_a_link_a_comment_and_files(captured, news, jira, released, key):
    release = released(key)
    news().catch_up()
    ((_, link),) = jira.links.items()
    assert link["object"]["url"] == f"{PUBLIC_URL}/bundles/{release.digest}"
    assert link["object"]["title"] == f"Evidence of {release.subject} for prod: allowed"
    assert link["object"]["status"] == {"resolved": True}
    (comment,) = jira.comments[key]
    assert text_of(comment).startswith(f"Allowed: {release.subject} for prod")
    names = {one["name"]: one["type"] for one in jira.files}
    assert set(names.values()) == {"application/zip", "text/html"}
    assert f"{release.model}-{release.version}.evidence.zip" in names


def test_a_verdict_that_changes_updates_the_one_link(
    captured, told, jira, released, key, service, app
):
    release = released(key, auc=0.5)
    told()
    assert next(iter(jira.links.values()))["object"]["status"] == {"resolved": False}
    waive(service, app, release)
    told()
    (link,) = jira.links.values()
    assert link["object"]["title"].endswith("allowed")
    blocked, allowed = map(text_of, jira.comments[key])
    assert "blocks: metric-threshold" in blocked
    assert allowed.startswith("Allowed")
    told()
    assert len(jira.comments[key]) == 2


def test_a_verdict_that_turns_while_it_is_told_is_told_last(
    captured, news, jira, released, key, turned
):
    """The first worker is slow over the link; a second one looks meanwhile."""
    release = released(key)
    jira.first = [2.0]
    slow = threading.Thread(target=news().catch_up)
    slow.start()
    until(lambda: jira.asked, 10)
    turned(release)
    news().catch_up()
    slow.join()
    (link,) = jira.links.values()
    assert link["object"]["title"].endswith("blocked")
    assert text_of(jira.comments[key][-1]).startswith("Blocked")


def test_what_is_left_of_a_verdict_that_turned_is_left_out(
    captured, news, jira, released, key, turned, monkeypatch
):
    """By one worker alone: the verdict turns after the link was taken."""
    release = released(key)
    link = jira.link
    monkeypatch.setattr(jira, "link", lambda *told: (turned(release), link(*told))[1])
    news().catch_up()
    assert [text_of(one).partition(":")[0] for one in jira.comments[key]] == ["Blocked"]
    assert len(jira.files) == 2


def test_a_worker_that_lost_its_ticket_tells_no_more(
    captured, news, jira, released, key, monkeypatch
):
    """It hung for an hour over the link; another one took over, and tries again later."""
    released(key)
    link = jira.link

    def late(*told):
        monkeypatch.setattr(jira, "link", link)
        jira.first = [None, (503, {})]
        news(HOUR).catch_up()
        return link(*told)

    monkeypatch.setattr(jira, "link", late)
    news().catch_up()
    assert jira.comments[key] == []
    news(2 * HOUR).catch_up()
    assert (len(jira.comments[key]), len(jira.files)) == (1, 2)


def test_without_an_address_of_ours_there_is_no_link(captured, told, jira, released, key):
    released(key)
    told(public_url=None)
    assert jira.links == {}
    assert len(jira.comments[key]) == 1


@pytest.mark.parametrize("ticket", ["CHG0001", "risk-1", "RISK-1/../X-2", "RISK-1 "])
def test_a_ticket_that_does_not_match_is_told_nothing(captured, told, jira, released, ticket):
    released(ticket)
    told()
    assert jira.asked == []


def test_an_issue_that_is_not_there_hinders_no_other(captured, told, jira, released, key, caplog):
    released("RISK-404404")
    released(key)
    told()
    assert len(jira.comments[key]) == 1
    assert caplog.text.count("RISK-404404: not told of a verdict") == 1
    assert "see that the ticket is there" in caplog.text


def test_a_jira_that_lets_nobody_in_is_not_asked_about_each(captured, told, jira, released, key):
    for _ in range(3):
        released(key)
    jira.password = "another"
    told()
    assert len(jira.asked) == 1


def test_a_part_that_was_taken_is_not_told_again(captured, told, jira, released, key):
    released(key)
    jira.first = [None, None, (429, {}, {"Retry-After": "5"})]  # link, comment; the file fails
    told()
    assert (len(jira.comments[key]), jira.files) == (1, [])
    told(HOUR)
    assert (len(jira.comments[key]), len(jira.files)) == (1, 2)


def test_a_link_whose_answer_is_lost_is_made_again_until_it_is_taken(
    captured, told, jira, released, key
):
    """Making it twice is making it once: it never counts as made before somebody says so."""
    released(key)
    hasty = replace(ONCE, limits=Limits(read=0.2))
    for hours in (0, 1, 2):
        jira.first = [0.5]
        told(hours * HOUR, outgoing=hasty)
        assert jira.comments[key] == []
    told(3 * HOUR)
    assert (len(jira.links), len(jira.comments[key]), len(jira.files)) == (1, 1, 2)


def test_the_token_is_in_no_log(captured, told, jira, released, key, caplog):
    caplog.set_level("DEBUG")
    released(key)
    jira.first = [(403, {})]
    told()
    told(HOUR)
    assert len(jira.comments[key]) == 1
    for secret in (jira.password, jira.basic.split()[1]):
        assert secret not in caplog.text


# Fetched


def test_a_comment_can_be_fetched(admin, captured, world):
    path = "/v1/checks/jira/comment?environment=prod&subject=models/credit"
    answer = admin.get(f"{path}@candidate")
    assert answer.status_code == 200, answer.text
    assert answer.json["status"] == "failed"
    assert wrong_in(answer.json["body"]) is None
    assert "no-regression" in text_of(answer.json["body"])
    assert "Blocked for prod" in answer.json["text"]


def test_strangers_text_cannot_break_the_document(service, captured, tokens):
    evidence = service.evidence
    caller = evidence.caller(tokens.admin)
    exhibit = evidence.exhibit(evidence.bundle(captured.good, caller), caller)
    evidence.deciding.settle(exhibit.document["subject"])
    verdict = evidence.deciding.decisions.of_record(captured.good)[0] | {
        "allowed": False,
        "status": "failed",
        "reasons": [
            {"code": "x", "found": found, "asked": "", "mend": "[a](javascript:x)"}
            for found in ("", "\n\n", "\u202e", "a" * 9000, "{code}") * 30
        ],
    }
    made = verdict_adf(replace(exhibit, decisions=[verdict]), verdict["environment"])
    assert wrong_in(made) is None
    assert length(text_of(made)) <= COMMENT_LIMIT
    assert f"and {150 - MOST} more" in text_of(made)
    assert "javascript" in text_of(made)
    assert "'type': 'link'" not in str(made)
