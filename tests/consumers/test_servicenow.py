"""ServiceNow: what it fetches, and what it is told, each thing once."""

from __future__ import annotations

import io
import time
import zipfile
from dataclasses import replace
from datetime import timedelta

import pytest

from api.consumers.outgoing import Limits
from api.consumers.telling import LONGEST_PAUSE, ONCE
from mlflow_evidence_plugin.render.change import LENGTHS, MARK
from mlflow_evidence_plugin.storage import Deliveries
from mlflow_evidence_plugin.storage.deliveries import MOST
from tests.conftest import instant
from tests.consumers.conftest import PUBLIC_URL
from tests.contract.checked import Client

FILE = """
version = 1

[servicenow]
url = "{url}"
addresses = "loopback"
user = "svc.evidence"
password_file = "{folder}/servicenow-password"
tickets = 'CHG[0-9]+'
environments = ["prod"]
models = ["{models}"]
experiments = ["*"]
"""
HOUR = timedelta(hours=1)
HASTY = replace(ONCE, limits=Limits(read=0.2))
"""Waits for an answer only as long as a test may."""


@pytest.fixture(autouse=True)
def nothing_owed(service):
    """What an earlier test left behind is not told in the next one."""
    Deliveries(service.evidence.capturing.database).forget("9999")


@pytest.fixture
def number(maker):
    """A change request's number that no other test has."""
    return "CHG" + maker.new_name("0000").replace("-", "")


@pytest.fixture
def text(servicenow, secret_files):
    def made(models="told-*", **changes):
        said = FILE
        for before, after in changes.values():
            assert before in said
            said = said.replace(before, after)
        return said.format(url=servicenow.url, folder=secret_files, models=models)

    return made


@pytest.fixture
def person(service, app):
    return Client(app, service.token("omar", "evidence:read", "policy"))


def waive(person, release, rule="metric-threshold"):
    waiver = {
        "environment": "prod",
        "rule": rule,
        "reason": "known",
        "expires_at": instant(timedelta(days=1)),
    }
    answer = person.post(f"/v1/bundles/{release.digest}/waivers", waiver)
    assert answer.status_code == 201, answer.text


# Told


def test_a_change_gets_fields_note_and_files(servicenow, released, teller, text, number):
    sys_id = servicenow.new_change(number)
    release = released(number)
    teller(text(release.model)).catch_up()
    row = servicenow.rows[sys_id]
    assert row["short_description"] == f"Release {release.subject} to prod"
    assert "set alias production to the previous version" in row["backout_plan"]
    assert "Metric auc = 0.95" in row["test_plan"]
    assert all(
        row[name].startswith(MARK) for name in LENGTHS if name in row and "short" not in name
    )
    (note,) = servicenow.notes[sys_id]
    assert "Allowed for prod" in note
    assert f"{PUBLIC_URL}/bundles/{release.digest}" in note
    kinds = {one["content_type"]: one for one in servicenow.files}
    archive = kinds["application/zip"]
    assert archive["file_name"] == f"{release.model}-{release.version}.evidence.zip"
    with zipfile.ZipFile(io.BytesIO(archive["data"])) as file:
        assert file.testzip() is None
        assert file.namelist()
    assert release.digest.encode() in kinds["text/html; charset=utf-8"]["data"]
    assert len(servicenow.files) == 2


def test_a_verdict_is_told_once_however_often_it_is_settled(
    servicenow, released, teller, text, number, service
):
    servicenow.new_change(number)
    release = released(number)
    telling = teller(text(release.model))
    telling.catch_up()
    calls = len(servicenow.asked)
    for one in (telling, teller(text(release.model)), teller(text(release.model), HOUR)):
        service.evidence.deciding.settle(release.subject)
        one.catch_up()
    assert len(servicenow.asked) == calls


def test_a_verdict_that_changes_is_told_again(servicenow, released, teller, text, number, person):
    sys_id = servicenow.new_change(number)
    release = released(number, auc=0.5)
    telling = teller(text(release.model))
    telling.catch_up()
    assert "Blocked for prod" in servicenow.notes[sys_id][0]
    assert "blocks: metric-threshold" in servicenow.rows[sys_id]["test_plan"]
    waive(person, release)
    telling.catch_up()
    assert len(servicenow.notes[sys_id]) == 2
    assert "Allowed for prod" in servicenow.notes[sys_id][1]
    assert "waived: metric-threshold" in servicenow.rows[sys_id]["test_plan"]


def test_no_field_says_what_the_verdict_no_longer_says(
    servicenow, released, teller, text, number, turned
):
    """A title of ours is not known from a person's, so that it is never written anew."""
    sys_id = servicenow.new_change(number)
    release = released(number)
    telling = teller(text(release.model))
    telling.catch_up()
    row = servicenow.rows[sys_id]
    assert "allowed" in row["test_plan"].lower()
    turned(release)
    telling.catch_up()
    ours = {name: row[name].lower() for name in LENGTHS if name in row}
    assert "blocked for prod" in ours["test_plan"]
    assert set(ours) == set(LENGTHS) - {"work_notes"}
    assert [name for name, said in ours.items() if "allowed" in said] == []


def test_a_verdict_that_says_the_same_of_the_same_release_is_no_news(
    servicenow, released, teller, text, number, maker, admin, service
):
    servicenow.new_change(number)
    release = released(number)
    telling = teller(text(release.model))
    telling.catch_up()
    calls, judged = len(servicenow.asked), telling.seq
    maker.client.set_tag(release.run_id, "note", "another word")
    assert admin.capture(model=release.model, version=release.version).json["digest"]
    service.evidence.deciding.settle(release.subject)
    telling.catch_up()
    assert telling.seq > judged, "there is a new verdict"
    assert len(servicenow.asked) == calls


def test_what_a_person_wrote_is_left_as_it_is(servicenow, released, teller, text, number):
    mine = {"backout_plan": "call Ana", "short_description": "Release the model"}
    sys_id = servicenow.new_change(number, **mine)
    teller(text(released(number).model)).catch_up()
    row = servicenow.rows[sys_id]
    assert {name: row[name] for name in mine} == mine
    assert row["test_plan"].startswith(MARK)


@pytest.mark.parametrize(
    "ticket", ["CHG1^numberISNOTEMPTY", "INC0012345", "CHG1\tx", "chg1", "CHG1X"]
)
def test_a_ticket_that_does_not_match_is_not_looked_for(servicenow, released, teller, text, ticket):
    servicenow.new_change("CHG0000001")
    teller(text(released(ticket).model)).catch_up()
    assert servicenow.asked == []


def test_a_model_or_environment_that_is_not_named_is_not_told(
    servicenow, released, teller, text, number
):
    servicenow.new_change(number)
    release = released(number)
    teller(text("another")).catch_up()
    teller(text(release.model, e=('["prod"]', '["moon"]'))).catch_up()
    assert servicenow.asked == []


def test_nothing_is_told_where_nobody_is_configured(servicenow, released, teller, number, service):
    servicenow.new_change(number)
    released(number)
    before = service.counts()
    teller("version = 1\n").catch_up()
    assert servicenow.asked == []
    assert service.counts() == before


def test_a_change_that_is_not_there_is_never_another_one(
    servicenow, released, teller, text, number, caplog
):
    other = servicenow.new_change("CHG0000002")
    teller(text(released(number).model)).catch_up()
    assert servicenow.notes[other] == []
    assert f"there is no change request {number}" in caplog.text


def test_a_query_that_is_answered_with_anything_is_not_believed(
    servicenow, released, teller, text, number
):
    row = {"sys_id": "a" * 32, "number": "CHG0000003"}
    servicenow.first = [(200, {"result": [row]})]
    teller(text(released(number).model)).catch_up()
    assert [one.method for one in servicenow.asked] == ["GET"]


@pytest.mark.parametrize("status", [401, 403, 404, 302, 500, 503])
def test_a_refusal_is_said_once_and_tried_later(
    servicenow, released, teller, text, number, caplog, status
):
    sys_id = servicenow.new_change(number)
    said = text(released(number).model)
    servicenow.first = [(status, {"error": {"message": "no"}}), (status, {})]
    telling = teller(said)
    telling.catch_up()
    telling.catch_up()
    assert len(servicenow.asked) == 1, "not before its pause is over"
    later = teller(said, HOUR)
    later.said = telling.said
    later.catch_up()
    assert len(servicenow.asked) == 2
    assert caplog.text.count("not told of a verdict") == 1
    assert f"HTTP {status}" in caplog.text
    teller(said, 2 * HOUR).catch_up()
    assert len(servicenow.notes[sys_id]) == 1


def test_it_is_given_up_after_too_many_tries(servicenow, released, teller, text, number, caplog):
    said = text(released(number).model)
    servicenow.password = "another"
    for hours in range(0, 2 * MOST * LONGEST_PAUSE // 3600, LONGEST_PAUSE // 3600):
        teller(said, hours * HOUR).catch_up()
    assert len(servicenow.asked) == MOST
    assert "given up" in caplog.text


def test_a_pause_that_is_asked_for_is_kept(servicenow, released, teller, text, number):
    servicenow.new_change(number)
    said = text(released(number).model)
    servicenow.first = [(429, {}, {"Retry-After": "3000"})]
    teller(said).catch_up()
    teller(said, timedelta(seconds=2900)).catch_up()
    assert len(servicenow.asked) == 1
    teller(said, timedelta(seconds=3100)).catch_up()
    assert len(servicenow.asked) > 1


def test_a_part_that_was_taken_is_not_told_again(servicenow, released, teller, text, number):
    sys_id = servicenow.new_change(number)
    said = text(released(number).model)
    servicenow.first = [None, None, (500, {})]  # find, fields; the first file fails
    teller(said).catch_up()
    assert len(servicenow.notes[sys_id]) == 1
    assert servicenow.files == []
    teller(said, HOUR).catch_up()
    assert len(servicenow.notes[sys_id]) == 1
    assert len(servicenow.files) == 2


def test_a_verdict_that_is_no_longer_so_is_not_told(
    servicenow, released, teller, text, number, person
):
    sys_id = servicenow.new_change(number)
    release = released(number, auc=0.5)
    servicenow.first = [(503, {})]
    teller(text(release.model)).catch_up()
    waive(person, release)
    teller(text(release.model), HOUR).catch_up()
    (note,) = servicenow.notes[sys_id]
    assert "Allowed for prod" in note


def test_what_is_a_week_old_is_no_news(servicenow, released, teller, text, number):
    servicenow.new_change(number)
    teller(text(released(number).model), timedelta(days=8)).catch_up()
    assert servicenow.asked == []


def test_many_that_look_at_once_tell_once(servicenow, released, teller, text, number):
    from concurrent.futures import ThreadPoolExecutor

    sys_id = servicenow.new_change(number)
    said = text(released(number).model)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: teller(said).catch_up(), range(4)))
    assert len(servicenow.notes[sys_id]) == 1
    assert len(servicenow.files) == 2


def test_what_lets_us_in_is_in_no_log(servicenow, released, teller, text, number, caplog):
    caplog.set_level("DEBUG")
    said = text(released(number).model)
    for first in ((401, {}), (500, {})):
        servicenow.first = [first]
        teller(said, HOUR if first[0] == 500 else timedelta()).catch_up()
    telling = teller(said, 3 * HOUR)
    telling.catch_up()
    for secret in (servicenow.password, servicenow.basic.split()[1]):
        assert secret not in caplog.text
        assert secret not in repr(telling.systems)


def test_a_system_that_hangs_is_left_for_later(servicenow, released, teller, text, number, caplog):
    servicenow.new_change(number)
    servicenow.first = [1.0]
    teller(text(released(number).model), outgoing=HASTY).catch_up()
    assert "gave no answer" in caplog.text
    assert len(servicenow.asked) == 1


@pytest.fixture
def slow(servicenow, monkeypatch):
    """Does its work, and answers later than anybody waits."""

    def made(name):
        work = getattr(servicenow, name)
        monkeypatch.setattr(servicenow, name, lambda *said: (work(*said), time.sleep(0.6))[0])

    return made


def test_a_note_whose_answer_is_lost_comes_twice_at_most_and_the_files_come(
    servicenow, released, teller, text, number, slow, caplog
):
    sys_id = servicenow.new_change(number)
    said = text(released(number).model)
    slow("patch")
    for hours in range(0, 4 * MOST, 4):
        teller(said, hours * HOUR, outgoing=HASTY).catch_up()
        time.sleep(0.5)
    assert len(servicenow.notes[sys_id]) == 2
    assert len(servicenow.files) == 2
    assert caplog.text.count("answer to fields was lost twice: it may not have come") == 1
    assert "given up" not in caplog.text


def test_a_file_whose_answer_is_lost_comes_twice_at_most(
    servicenow, released, teller, text, number, slow
):
    sys_id = servicenow.new_change(number)
    said = text(released(number).model)
    slow("attach")
    for hours in range(0, 4 * MOST, 4):
        teller(said, hours * HOUR, outgoing=HASTY).catch_up()
        time.sleep(0.5)
    assert len(servicenow.notes[sys_id]) == 1
    assert len(servicenow.files) == 4


@pytest.mark.parametrize("pause", [0.6, 0], ids=["no-answer", "gateway"])
def test_what_never_came_is_told_at_the_next_try(
    servicenow, released, teller, text, number, monkeypatch, pause
):
    sys_id = servicenow.new_change(number)
    said = text(released(number).model)
    with monkeypatch.context() as patched:
        patched.setattr(servicenow, "patch", lambda *_: (time.sleep(pause), (504, {}))[1])
        teller(said, outgoing=HASTY).catch_up()
    assert servicenow.notes[sys_id] == []
    teller(said, HOUR).catch_up()
    assert len(servicenow.notes[sys_id]) == 1
    assert len(servicenow.files) == 2


def test_an_answer_that_a_gateway_lost_is_lost_too(
    servicenow, released, teller, text, number, monkeypatch
):
    sys_id = servicenow.new_change(number)
    said = text(released(number).model)
    patch = servicenow.patch
    monkeypatch.setattr(servicenow, "patch", lambda *said: (patch(*said), (504, {}))[1])
    for hours in range(0, 4 * MOST, 4):
        teller(said, hours * HOUR).catch_up()
    assert (len(servicenow.notes[sys_id]), len(servicenow.files)) == (2, 2)


def test_a_system_that_is_away_has_lost_nothing(servicenow, released, teller, text, number, caplog):
    """However often it cannot be reached: nothing counts as told."""
    sys_id = servicenow.new_change(number)
    said = text(released(number).model)
    away = said.replace(servicenow.url, "http://127.0.0.1:1")
    for hours in range(0, 20, 4):
        teller(away, hours * HOUR).catch_up()
    teller(said, 24 * HOUR).catch_up()
    assert len(servicenow.notes[sys_id]) == 1
    assert "lost" not in caplog.text


def test_servicenow_may_take_as_long_as_it_lets_its_own_calls_run():
    assert ONCE.limits.read >= 65
    assert ONCE.limits.whole > ONCE.limits.read + ONCE.limits.answer_seconds


def test_a_change_with_full_fields_is_told(servicenow, released, teller, text, number):
    full = dict.fromkeys(("justification", "implementation_plan", "backout_plan"), "漢" * 4000)
    sys_id = servicenow.new_change(number, **full)
    teller(text(released(number).model)).catch_up()
    assert len(servicenow.notes[sys_id]) == 1
    assert {name: servicenow.rows[sys_id][name] for name in full} == full


def test_an_answer_that_is_too_long_is_said_to_be(
    servicenow, released, teller, text, number, caplog
):
    servicenow.new_change(number, justification="x" * (1 << 20))
    other = servicenow.new_change(f"{number}1")
    released(number)
    released(f"{number}1")
    teller(text("told-*")).catch_up()
    assert "answered more than can be read" in caplog.text
    assert f"there is no change request {number}" not in caplog.text
    assert len(servicenow.notes[other]) == 1, "it is about that change alone"


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('user = "svc.evidence"', "", "user and password_file"),
        ("password_file", "token_file", "user and password_file"),
        ("'CHG[0-9]+'", "'CHG['", "Not a regular expression"),
        ('addresses = "loopback"', "", "Only https://"),
        ('environments = ["prod"]', 'attach = ["pdf"]', "Must be one of"),
    ],
    ids=["no-user", "both", "pattern", "plain-http", "attach"],
)
def test_what_is_wrong_in_the_file_is_said(text, before, after, said):
    from tests.consumers.test_options import refused

    assert said in refused(text(x=(before, after)))


# Fetched


def test_the_fields_can_be_fetched(admin, captured, world):
    path = "/v1/checks/servicenow/change?environment=prod&subject=models/credit"
    answer = admin.get(f"{path}/{world.v_good}")
    assert answer.status_code == 200, answer.text
    assert answer.json["allowed"] is True
    assert answer.json["record"] == captured.good
    assert set(answer.json["change"]) == set(LENGTHS)
    by_alias = admin.get(f"{path}@candidate").json
    assert by_alias["status"] == "failed"
    assert "blocks: no-regression" in by_alias["change"]["test_plan"]
    assert all(len(text) <= LENGTHS[name] for name, text in by_alias["change"].items())


@pytest.mark.parametrize(
    ("subject", "status"), [("models/credit/999", 404), ("runs/1", 422), ("models", 422)]
)
def test_what_names_no_version_is_refused(admin, world, captured, subject, status):
    answer = admin.get(f"/v1/checks/servicenow/change?environment=prod&subject={subject}")
    assert answer.status_code == status


def test_what_is_not_the_callers_is_not_there(client, tokens, world, captured):
    path = f"/v1/checks/servicenow/change?environment=prod&subject=models/vault/{world.v_foreign}"
    assert client(tokens.mine).get(path).status_code == 404
    assert client(None).get(path).status_code == 401


def test_strangers_text_stays_text_and_within_the_field(admin, released, number):
    bad = {
        "evidence.rollback": "x" * 990,
        "evidence.runbook": "[code]<script>alert(1)</script>[/CODE]",
        "evidence.owner": "ana\u202eb",
    }
    release = released(number, tags=bad, metrics={f"m{'e' * 200}{n}": 1.0 for n in range(40)})
    path = f"/v1/checks/servicenow/change?environment=prod&subject={release.subject}"
    change = admin.get(path).json["change"]
    assert all(len(text) <= LENGTHS[name] for name, text in change.items())
    text = "".join(change.values())
    assert "[code]" not in text.lower()
    assert "[/code]" not in text.lower()
    assert "\u202e" not in text
