"""`erase`, on a real service and without one: asks first, and says what the tombstone says."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def made(admin, maker):
    run = maker.run(tags={"note": "a patient"})
    return run, admin.capture(run_id=run).json["digest"]


@pytest.fixture
def on_service(az, app, tokens, serving):
    url = serving(app)
    return lambda *words: az(*words, EVIDENCE_URL=url, EVIDENCE_TOKEN=tokens.admin)


def test_it_erases_and_says_so(on_service, made):
    run, digest = made
    done = on_service("erase", f"runs/{run}", "--reason", "names a patient", "--yes", "-o", "json")
    assert done.code == 0, done.err
    assert (done.json["record"], done.json["reason"]) == (digest, "names a patient")
    again = on_service("erase", digest, "--reason", "x", "--yes", "-o", "json")
    assert again.json == done.json
    shown = on_service("show", f"runs/{run}")
    assert shown.code == 4
    assert "was erased" in shown.err
    table = on_service("erase", digest, "--reason", "x", "--yes", "-o", "table")
    assert digest in table.out


def test_it_asks_first(on_service, made, monkeypatch):
    import io
    import sys

    run, digest = made
    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    refused = on_service("erase", f"runs/{run}", "--reason", "names a patient")
    assert refused.code not in (0, 1, 3)
    assert digest in refused.err
    assert json.loads(on_service("show", f"runs/{run}", "-o", "json").out)["digest"] == digest


def test_where_nobody_can_be_asked_it_says_how_to_go_on(on_service, made, monkeypatch):
    import io
    import sys

    run, _ = made
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    refused = on_service("erase", f"runs/{run}", "--reason", "names a patient")
    assert refused.code == 2
    assert "--yes" in refused.err
    assert on_service("show", f"runs/{run}").code == 0


def test_without_a_service_it_erases_in_the_home_of_this_machine(on_disk, local, tmp_path):
    env = {"EVIDENCE_SERVICE_HOME": str(tmp_path / "home")}
    subject = f"runs/{local['run']}"
    captured = on_disk("capture", subject, "-o", "json", **env)
    assert captured.code == 0, captured.err
    done = on_disk("erase", subject, "--reason", "a leak", "--yes", "-o", "json", **env)
    assert done.json["record"] == captured.json["digest"]
    assert on_disk("show", subject, **env).code == 4
    again = on_disk("capture", subject, **env)
    assert again.code == 4
    assert "mend the run" in again.err


@pytest.mark.parametrize("words", [["nonsense"], ["sha256:12"]])
def test_what_names_nothing_is_a_usage_error(on_service, words):
    assert on_service("erase", *words, "--reason", "x", "--yes").code == 2
