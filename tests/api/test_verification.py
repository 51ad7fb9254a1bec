"""Evidence that somebody was handed, checked by the service."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def archive(admin, captured):
    return admin.get(f"/v1/bundles/{captured.good}/archive").data


def ask(client, data, query=""):
    headers = {"Content-Type": "application/octet-stream"}
    return client.open("POST", f"/v1/verify{query}", data=data, headers=headers)


def test_an_archive_and_a_bundle_hold(admin, archive, captured):
    bundle = admin.get(f"/v1/bundles/{captured.good}").data
    for data in (archive, bundle):
        answer = ask(admin, data)
        assert (answer.status_code, answer.json["passed"]) == (200, True), answer.text


def test_what_was_changed_is_a_finding(admin, archive, captured):
    bundle = admin.get(f"/v1/bundles/{captured.good}").data
    for data in (archive[:-1], bundle.replace(b"credit", b"debits"), b"{}", b"nonsense"):
        answer = ask(admin, data)
        assert (answer.status_code, answer.json["passed"]) == (200, False)


def test_what_the_caller_insists_on_counts(admin, archive, captured, world):
    right = f"?subject=models/credit/{world.v_good}"
    assert ask(admin, archive, right).json["passed"]
    assert not ask(admin, archive, "?subject=models/credit/999").json["passed"]
    bundle = admin.get(f"/v1/bundles/{captured.good}").data
    assert ask(admin, bundle, right).status_code == 422


def test_nothing_and_too_much_are_refused(admin):
    assert ask(admin, b"").status_code == 422
    assert ask(admin, b"x" * (64 << 20) + b"x").status_code == 413
    assert ask(admin, b"x" * (2 << 20)).status_code == 200
