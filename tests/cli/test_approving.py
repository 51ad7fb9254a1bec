"""`approve`, `approvals`, `revoke`, `waive`: said with one's own token, to a real service."""

from __future__ import annotations

import pytest


@pytest.fixture
def on_service(az, service, serving, tokens, world):
    """On a service of its own socket, as its operator unless another token is given."""
    url = serving(service.app())
    env = {"EVIDENCE_URL": url, "EVIDENCE_TOKEN": tokens.admin}
    return lambda *words, **more: az(*words, **{**env, **more})


@pytest.fixture
def released(on_service, maker):
    model = maker.new_name("cli-approved")
    version = maker.version(model, maker.run())
    subject = f"models/{model}/{version}"
    assert on_service("capture", subject).code == 0
    return subject


@pytest.fixture
def rita(service):
    token = service.token("rita", "evidence:read", "approve", "policy", roles=("risk",))
    return {"EVIDENCE_TOKEN": token}


def test_somebody_approves_and_takes_it_back(on_service, released, rita):
    why = ("--comment", "looked at twice")
    made = on_service("approve", released, "--role", "risk", "--ticket", "CHG7", *why, **rita)
    assert made.code == 0, made.err
    assert (made.json["approver"], made.json["ticket"]) == ("rita", "CHG7")
    listed = on_service("approvals", released, "-o", "table", **rita)
    assert "in-force" in listed.out and "looked at twice" in listed.out
    taken = on_service("revoke", released, made.json["statement"], **rita)
    assert (taken.code, taken.json["decision"]) == (0, "revoked")
    entries = on_service("approvals", released, **rita).json["approvals"]
    assert [one["state"] for one in entries] == ["revoked", "in-force"]


def test_another_role_is_refused_and_says_what_to_ask_for(on_service, released, rita):
    refused = on_service("approve", released, "--role", "owner", **rita)
    assert refused.code != 0
    assert "role owner" in refused.err


def test_a_rule_is_answered_for(on_service, released, rita):
    words = ("waive", released, "-e", "lab", "--rule", "tracked-run", "--reason", "a drill")
    made = on_service(*words, "--until", "2027-01-01T00:00:00Z", **rita)
    assert made.code == 0, made.err
    assert made.json["by"] == "rita"
    listed = on_service("approvals", released, "-o", "table", **rita)
    assert "waived" in listed.out and "a drill" in listed.out


def test_a_date_alone_is_the_start_of_that_day(on_service, released, rita):
    day = ("--until", "2100-01-02")
    made = on_service("approve", released, "--role", "risk", *day, **rita)
    assert made.json["expires_at"] == "2100-01-02T00:00:00.000Z", made.err
    for words in (
        ("approve", released, "--role", "risk", "--until", "soon"),
        ("waive", released, "-e", "lab", "--rule", "x", "--reason", "y", "--until", "2026-13-01"),
    ):
        refused = on_service(*words, **rita)
        assert refused.code == 2
        assert "'--until'" in refused.err and "2026-12-01T18:00:00Z" in refused.err


def test_without_a_service_there_is_nobody_to_say_it_to(az, released):
    refused = az("approve", released, "--role", "risk")
    assert refused.code == 2
    assert "--url" in refused.err and "EVIDENCE_URL" in refused.err
