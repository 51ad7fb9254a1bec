"""Tokens: which are good, and for how long."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from mlflow_evidence_plugin.errors import Unauthorized
from mlflow_evidence_plugin.storage import Tokens
from mlflow_evidence_plugin.storage.tables import tokens as table
from tests.storage.conftest import ALL, EARLY, NOON


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "mle_",
        "mle__",
        "mle_0123456789abcdef_x",
        "mle_" + "a" * 5000,
        "mle_\x00_x",
        "mle_é_é",
    ],
)
def test_a_token_that_is_none_is_refused_in_the_same_words(database, token):
    with pytest.raises(Unauthorized, match="unknown, expired or revoked"):
        Tokens(database).authenticate(token, NOON)


def test_a_token_ends_when_it_expires_and_when_it_is_revoked(database):
    tokens = Tokens(database)
    made = tokens.create("ci", ("capture",), (), ("credit*",), EARLY, NOON)
    known = tokens.authenticate(made, EARLY)
    assert known.sees_model("credit-eu") and not known.sees_model("debit")
    assert not known.sees_experiment("anything")
    with pytest.raises(Unauthorized):
        tokens.authenticate(made, NOON)
    tokens.revoke(known.token_id, EARLY)
    with pytest.raises(Unauthorized):
        tokens.authenticate(made, EARLY)


def test_the_secret_of_a_token_is_not_kept(database):
    made = Tokens(database).create("ci", ("capture",), ALL, ALL, EARLY)
    with database.reading() as connection:
        kept = repr(connection.execute(table.select()).all())
    assert made.split("_", 2)[1] in kept
    assert made.split("_", 2)[2] not in kept


def test_of_many_that_start_at_once_one_makes_the_first_token(database):
    tokens = Tokens(database)
    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(lambda _: tokens.create_first("x", ("admin",), EARLY), range(6)))
    (first,) = [one for one in made if one]
    assert tokens.authenticate(first, NOON).sees_model("anything")
    tokens.revoke(first.split("_")[1], EARLY)
    tokens.create("x", ("admin",), ALL, ALL, EARLY, NOON)
    assert tokens.create_first("x", ("admin",), EARLY) is None
    assert tokens.create_first("x", ("admin",), NOON), "the other one has expired"
