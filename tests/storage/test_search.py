"""The search: exact, newest first, whole over its pages, and blind to what is not the caller's."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlflow_evidence_plugin.errors import BadInput
from mlflow_evidence_plugin.policy import Decision, parse
from mlflow_evidence_plugin.record import record_of
from mlflow_evidence_plugin.storage import Bundles, Decisions, Filters
from mlflow_evidence_plugin.storage import search as searching
from mlflow_evidence_plugin.storage.search import View
from tests.storage.conftest import ALL, EARLY, LATE, NOON, keep
from tests.unit import samples

EVERYTHING = View(ALL, ALL)
POLICY = parse(b"version: 1\nenvironments: {prod: {rules: [{rule: tracked-run}]}}")


@pytest.fixture
def bundles(database) -> Bundles:
    return Bundles(database, samples.STORE)


def subjects(page) -> list[str]:
    return [one.subject for one in page.items]


def judged(record, status: str, environment: str = "prod", at: str = NOON) -> Decision:
    asked = (record.subject, environment, status, (), (), POLICY.digest, at, LATE)
    return Decision(*asked, record.digest, record.release)


def test_pages_lead_through_everything_once_newest_first(database, bundles):
    for number in range(1, 8):
        keep(database, samples.record(number=str(number)), f"2026-06-01T08:00:00.{number:03}Z")
    pages, cursor = [], None
    while True:
        page = bundles.search(Filters(), View(ALL, ("cred*",)), cursor, 3)
        pages.append(subjects(page))
        if (cursor := page.next) is None:
            break
    assert [len(one) for one in pages] == [3, 3, 1]
    assert [one for page in pages for one in page] == [
        f"models/credit/{n}" for n in range(7, 0, -1)
    ]


def test_what_is_seen_again_is_found_once_where_it_stood(database, bundles):
    first, second = samples.record({"auc": 0.9}), samples.record({"auc": 0.8})
    for record, at in ((first, EARLY), (second, NOON), (first, LATE)):
        keep(database, record, at)
    found = bundles.search(Filters(), EVERYTHING, None, 5).items
    assert [one.digest for one in found] == [second.digest, first.digest]
    assert [one.captured_at for one in found] == [NOON, EARLY]


def test_somebody_who_sees_little_gets_short_pages_and_in_the_end_all_of_it(
    database, bundles, monkeypatch
):
    monkeypatch.setattr(searching, "LOOKED_AT", 4)
    for number in range(1, 12):
        keep(database, samples.record(number=str(number)), f"2026-06-01T08:00:00.{number:03}Z")
    little = View(("nothing",), ALL)
    found, cursor, pages = [], None, 0
    while True:
        page = bundles.search(Filters(), little, cursor, 2)
        found, cursor, pages = found + list(page.items), page.next, pages + 1
        if cursor is None:
            break
    assert found == []
    assert 1 < pages <= 4


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        (Filters(model="credit"), "12"),
        (Filters(model="credit", version="2"), "2"),
        (Filters(run_id=samples.RUN_ID), "12"),
        (Filters(model="%"), ""),
        (Filters(model="CREDIT"), ""),
        (Filters(owner="jane"), "1"),
        (Filters(owner="max"), "2"),
        (Filters(owner="max", model="credit", ticket="CHG-2"), "2"),
        (Filters(owner="jane", ticket="CHG-2"), ""),
        (Filters(tag="evidence.ticket=CHG-2"), "2"),
        (Filters(tag="note=a=b, ☃"), "2"),
        (Filters(tag="mlflow.user=jane"), ""),
        (Filters(tag="note="), ""),
        (Filters(since=EARLY), "12"),
        (Filters(since=NOON), "2"),
        (Filters(until=NOON), "1"),
        (Filters(since=EARLY, until=EARLY), ""),
        (Filters(since=NOON, until=LATE, owner="max"), "2"),
        (Filters(verdict="failed"), "2"),
        (Filters(verdict="passed"), "2"),
        (Filters(verdict="failed", environment="prod"), "2"),
        (Filters(verdict="failed", environment="lab"), ""),
        (Filters(verdict="passed", environment="lab", owner="max"), "2"),
    ],
)
def test_filters_are_exact(database, bundles, filters, found):
    keep(database, samples.record(number="1"), EARLY)
    tags = {"evidence.owner": "max", "evidence.ticket": "CHG-2", "note": "a=b, ☃"}
    second = samples.record(number="2", tags=tags)
    keep(database, second, NOON)
    decisions = Decisions(database, samples.STORE)
    decisions.add(judged(second, "failed"), POLICY, {})
    decisions.add(judged(second, "passed", "lab"), POLICY, {})
    page = bundles.search(filters, EVERYTHING, None, 10)
    assert {one.version for one in page.items} == set(found)
    if found == "2":
        assert page.items[0].verdicts == {"lab": "passed", "prod": "failed"}
        assert (page.items[0].owner, page.items[0].ticket) == ("max", "CHG-2")


def test_a_newer_verdict_takes_the_place_of_an_older_one_and_never_the_other_way(database, bundles):
    record = samples.record()
    keep(database, record)
    decisions = Decisions(database, samples.STORE)
    decisions.add(judged(record, "failed", at=EARLY), POLICY, {})
    decisions.add(judged(record, "passed", at=LATE), POLICY, {})
    decisions.add(judged(record, "failed", at=NOON), POLICY, {})
    for verdict, count in (("passed", 1), ("failed", 0)):
        for environment in (None, "prod"):
            asked = Filters(verdict=verdict, environment=environment)
            assert len(bundles.search(asked, EVERYTHING, None, 5).items) == count


@pytest.mark.parametrize(
    "filters",
    [
        Filters(version="1"),
        Filters(tag="no-equals-sign"),
        Filters(tag="=x"),
        Filters(environment="prod"),
    ],
    ids=["version-alone", "tag-without-value", "tag-without-name", "environment-alone"],
)
def test_half_of_a_pair_is_refused(bundles, filters):
    with pytest.raises(BadInput) as refused:
        bundles.search(filters, EVERYTHING, None, 5)
    assert refused.value.mend


@pytest.mark.parametrize("change", ["x", "A" * 32, "é" * 32, "", "A" * 31 + "=", "\n" * 32])
def test_a_cursor_that_is_none_is_refused(bundles, change):
    with pytest.raises(BadInput, match="cursor"):
        bundles.search(Filters(), EVERYTHING, change or " ", 5)


def test_a_cursor_of_another_search_is_refused(database, bundles):
    for number in "123":
        keep(database, samples.record(number=number))
    cursor = bundles.search(Filters(), EVERYTHING, None, 1).next
    with pytest.raises(BadInput, match="cursor"):
        bundles.search(Filters(model="credit"), EVERYTHING, cursor, 1)
    with pytest.raises(BadInput, match="cursor"):
        Bundles(database, "another store").search(Filters(), EVERYTHING, cursor, 1)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(name=st.text(min_size=1, max_size=20).filter(lambda t: "=" not in t), value=st.text())
def test_any_tag_that_can_be_stored_can_be_searched_for(database, bundles, name, value):
    record = samples.record(tags={f"x{name}": value})
    keep(database, record)
    digests = set()
    cursor = None
    while True:
        page = bundles.search(Filters(tag=f"x{name}={value}"), EVERYTHING, cursor, 50)
        digests |= {one.digest for one in page.items}
        if (cursor := page.next) is None:
            break
    assert record.digest in digests


def test_the_listings_can_be_made_anew_from_what_is_kept(database, bundles):
    from mlflow_evidence_plugin.storage.listings import restore
    from mlflow_evidence_plugin.storage.tables import labels, listings, verdicts

    first, second = samples.record(number="1"), samples.record(number="2")
    keep(database, first, EARLY)
    keep(database, second, NOON)
    keep(database, first, LATE)
    Decisions(database, samples.STORE).add(judged(second, "failed"), POLICY, {})

    def everything() -> list:
        with database.reading() as connection:
            return [set(connection.execute(t.select())) for t in (listings, labels, verdicts)]

    before = everything()
    with database.writing() as connection:
        for table in (verdicts, labels, listings):
            connection.execute(table.delete())
        restore(connection)
    assert everything() == before
    assert all(before)


def test_a_cursor_does_not_tell_that_there_is_more_of_what_is_not_the_callers(database, bundles):
    keep(database, samples.record(number="1", experiment="foreign"), EARLY)
    keep(database, samples.record(number="2"), NOON)
    mine = View(("credit",), ALL)
    page = bundles.search(Filters(model="credit"), mine, None, 1)
    assert (subjects(page), page.next) == (["models/credit/2"], None)


def test_a_tag_of_the_run_and_one_of_the_version_with_the_same_name_are_both_found(
    database, bundles
):
    source = samples.run(tags={"stage": "run", "evidence.owner": "jane"})
    theirs = {"stage": "version", "mlflow.own": "x", "evidence.owner": "eve"}
    keep(database, record_of(samples.version(source=source, tags=theirs), samples.STORE))
    for tag, count in (("run", 1), ("version", 1), ("neither", 0)):
        assert len(bundles.search(Filters(tag=f"stage={tag}"), EVERYTHING, None, 5).items) == count
    assert not bundles.search(Filters(tag="mlflow.own=x"), EVERYTHING, None, 5).items
    assert not bundles.search(Filters(owner="eve"), EVERYTHING, None, 5).items


def test_a_pass_that_has_run_out_is_told_as_expired(database, bundles):
    record = samples.record()
    keep(database, record)
    Decisions(database, samples.STORE).add(judged(record, "passed", at=EARLY), POLICY, {})
    for now, status in ((NOON, "passed"), (LATE, "expired"), (None, "passed")):
        (found,) = bundles.search(Filters(verdict="passed"), EVERYTHING, None, 5, now).items
        assert found.verdicts == {"prod": status}
