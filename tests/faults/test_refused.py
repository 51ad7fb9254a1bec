"""Each part that cannot start says why in a line or two, and ends; it breaks nothing."""

from __future__ import annotations

import pytest

from mlflow_evidence_plugin.storage import Database, Tokens
from tests.faults.processes import end, start

STORE = "http://127.0.0.1:9"
PARTS = {"together": (), "prepare": ("prepare",), "web": ("web",), "worker": ("worker",)}
SAID = {
    "away": "the evidence database failed",
    "newer": "the database has schema 9999, which this version does not know",
    "older": "the database has no schema yet",
}
# What migrates the database takes an older schema for what it is.
REFUSED = [
    (state, part)
    for state in SAID
    for part in PARTS
    if state != "older" or part in ("web", "worker")
]


def url_of(state, folder):
    """The URL of a database that cannot be used."""
    if state == "away":
        return f"postgresql://nobody@/nothing?host={folder}"
    url = f"sqlite:///{folder / 'evidence.db'}"
    if state == "newer":
        database = Database(url)
        database.migrate()
        with database.writing() as connection:
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
        database.dispose()
    return url


@pytest.fixture(scope="module")
def refused(tmp_path_factory):
    """All of them, started side by side: exit status and what was said."""
    folder = tmp_path_factory.mktemp("refused")
    started = {}
    for state, part in REFUSED:
        home = folder / f"{state}-{part}" / "home"
        env = {"TRACKING_URI": STORE, "DATABASE_URL": url_of(state, home.parent)}
        started[state, part] = home, start(home, "--port", "0", *PARTS[part], **env)
    found = {}
    for case, (home, process) in started.items():
        try:
            found[case] = process.wait(60), (home.parent / "home.log").read_text()
        finally:
            end(process)
    return found


@pytest.mark.parametrize(("state", "part"), REFUSED)
def test_a_part_that_cannot_use_its_database_says_so_and_ends(refused, state, part):
    status, said = refused[state, part]
    assert status not in (0, None)
    error, mend = [line for line in said.splitlines() if "Warning" not in line]
    assert error.startswith(f"error: {SAID[state]}")
    assert mend.strip().startswith("mend: ")


def test_two_that_prepare_one_empty_database_at_once_agree(tmp_path, postgres_server):
    """One home, as on a shared volume: one schema, one key, and a first token that is good."""
    env = {"TRACKING_URI": STORE, "DATABASE_URL": postgres_server.new_database()}
    home = tmp_path / "home"
    started = [start(home, "prepare", **env) for _ in range(2)]
    try:
        assert [one.wait(60) for one in started] == [0, 0], (tmp_path / "home.log").read_text()
    finally:
        for one in started:
            end(one)
    database = Database(env["DATABASE_URL"])
    first = (home / "token").read_text().strip()
    assert "admin" in Tokens(database).authenticate(first, "2026-01-01T00:00:00.000Z").scopes
    assert "Traceback" not in (tmp_path / "home.log").read_text()
    assert sorted(p.name for p in home.iterdir()) == ["public-key.pem", "signing-key.pem", "token"]
    database.dispose()
