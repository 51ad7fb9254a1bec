from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlflow_evidence_plugin.context.secrecy import looks_secret, public_remote, public_url


@pytest.mark.parametrize(
    ("given_address", "shown"),
    [
        ("https://github.com/org/repo.git", "https://github.com/org/repo.git"),
        ("https://user:pw@github.com/org/repo.git", "https://github.com/org/repo.git"),
        ("https://ghp_token@github.com/org/repo", "https://github.com/org/repo"),
        ("https://u:p@ss@host/x", "https://host/x"),
        ("https://host:8443/job/a%20b/12/?token=1#x", "https://host:8443/job/a%20b/12/"),
        ("http://[::1]:8080/x", "http://[::1]:8080/x"),
        ("ssh://git@host:22/x.git", "ssh://host:22/x.git"),
        ("git@github.com:org/repo.git", "git@github.com:org/repo.git"),
        ("github.com:org/repo.git", "github.com:org/repo.git"),
        # A password that was not encoded moves the host: nothing may be kept.
        ("https://user:12/34@host/x", None),
        ("https://user:12#34@host/x", None),
        ("https://user:12?34@host/x", None),
        ("user:secret@host:path", None),
        ("/home/jo/repo.git", None),
        ("../repo", None),
        ("file:///home/jo/repo.git", None),
        ("C:\\Users\\jo\\repo", None),
        ("C:/Users/jo/repo", None),
        ("ext::sh -c whatever", None),
        ("https://", None),
        ("https://host/a\nb", None),
        ("", None),
    ],
)
def test_a_remote_is_shown_without_credentials(given_address, shown):
    assert public_remote(given_address) == shown


@given(st.text(), st.text())
def test_no_part_of_a_password_is_shown(user, password):
    address = f"https://{user}:~{password}~@host.example/path"
    assert "~" not in (public_url(address) or "")
    assert "~" not in (public_remote(address) or "")


@pytest.mark.parametrize(
    "value",
    [
        "https://user:pw@wiki/runbook",
        "see https://token@wiki/runbook",
        "postgresql://u:p@db/models",
        "https://x.blob.core.windows.net/c?sv=1&sig=abc",
        "ghp_0123456789abcdefghij",
        "glpat-0123456789abcdefghij",
        "AKIAIOSFODNN7EXAMPLE",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc",
        "DefaultEndpointsProtocol=https;AccountKey=abc",
        "-----BEGIN RSA PRIVATE KEY-----",
    ],
)
def test_credentials_are_seen(value):
    assert looks_secret(value)


@pytest.mark.parametrize(
    "value",
    [
        "jo@example.org",
        "mailto:jo@example.org",
        "https://wiki/runbook?id=3#rollback",
        "https://dash/d/1?user=jo@example.org",
        "ssh://git@host/repo",
        "git@github.com:org/repo",
        "sk-learn-pipeline-production",
        "task-based-forecast-model-for-spain",
        "redeploy version 12; then call +49 30 1234",
    ],
)
def test_what_people_write_is_not_taken_for_a_credential(value):
    assert not looks_secret(value)


def test_a_hostile_address_costs_no_time():
    began = time.perf_counter()
    for unit in ("://:", "a:", "@", "a.", "://"):
        public_remote("https://" + unit * 50_000)
        public_remote(unit * 50_000)
        looks_secret((unit * 1_000)[:1_000])
    assert time.perf_counter() - began < 2
