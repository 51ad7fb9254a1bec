"""Flagger: a canary advances while its version is allowed, and else halts with the reasons."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mlflow_evidence_plugin.errors import StoreUnavailable
from tests.api.stores import Away
from tests.conftest import instant
from tests.consumers.clusters import EVENT_LIMIT, Canary, post


@pytest.fixture
def address(service, served):
    """Makes an address."""

    def make(environment="prod", models=("credit*",)):
        now = instant(timedelta())
        token = service.evidence.tokens.create(
            "flagger", ("evidence:read",), ("*",), models, now, None, (), environment
        )
        return served.check(f"flagger/{token}")

    return make


@pytest.fixture
def canary(address):
    return lambda bound="prod", **said: Canary(address(bound), {"model": "credit", **said})


def test_a_good_version_advances(canary, world):
    one = canary(version=world.v_good)
    assert [one.advance() for _ in range(3)] == [True] * 3
    assert (one.weight, one.failed) == (30, 0)


def test_so_does_the_alias_that_holds_it(canary, world):
    assert canary(alias="production", cmd="ignored").advance()


def test_a_bad_version_halts_and_the_event_says_why(canary, world):
    one = canary(version=world.v_regressed)
    assert not one.advance()
    assert (one.weight, one.failed) == (0, 1)
    (event,) = one.events
    assert f"denied: models/credit/{world.v_regressed} for prod" in event
    assert "no-regression: found " in event
    assert "; asked " in event
    assert "{" not in event
    assert len(event) <= EVENT_LIMIT


PHASES = ["Initializing", "Waiting", "Promoting", "Finalising", "Succeeded", "Failed", "", None]


@pytest.mark.parametrize("phase", PHASES)
def test_the_answer_is_the_same_in_every_phase(canary, world, phase):
    assert canary(version=world.v_good).called(phase) is None
    assert canary(version=world.v_regressed).called(phase).startswith("denied: ")


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"version": "999"}, "no-such-version"),
        ({"alias": "nobody"}, "not-found"),
        ({"version": "1", "model": "vault"}, "not-found"),
        ({"version": "1", "environment": "lab"}, "forbidden"),
        ({}, "bad-input"),
        ({"version": "1", "alias": "production"}, "bad-input"),
        ({"version": 1}, "bad-input"),
        ({"version": "1", "model": ""}, "bad-input"),
    ],
    ids=["no-version", "no-alias", "foreign", "elsewhere", "neither", "both", "number", "empty"],
)
def test_what_is_unknown_halts(canary, said, code):
    one = canary(**said)
    assert not one.advance()
    assert code in one.events[0]


def test_a_body_that_is_no_hook_halts(address):
    for body in (b"", b"{no json", b"[]", b"{}", b'{"name":"a","namespace":"b"}'):
        assert post(address(), body, 10)[0] == 422


def test_an_environment_that_no_policy_knows_halts(canary, world):
    assert not canary("moon", version=world.v_good).advance()


def test_a_store_that_is_away_halts(start, service, captured, address):
    store = Away(StoreUnavailable("the tracking store is away"))
    capturing = type(service.evidence.capturing)(
        **{**vars(service.evidence.capturing), "store": store}
    )
    one = Canary(address(), {"model": "credit", "alias": "production"})
    one.url = one.url.replace(one.url.split("/v1")[0], start(capturing=capturing).url)
    assert not one.advance()
    assert "waiting" in one.events[0]


def test_strangers_text_is_shown_as_what_it_is(canary):
    """Characters that turn a line round or hide in it have names, in the reasons too."""
    one = canary(model="credit\u202e\u2028x", version="1")
    assert not one.advance()
    (event,) = one.events
    assert event.count("⟨U+202E⟩") >= 2
    assert not {"\u202e", "\u2028"} & set(event)
    assert all(line.startswith("- ") for line in event.strip().split("\n")[1:])
