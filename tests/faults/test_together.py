"""Several web sides and workers at one subject at once: nothing is lost, and no verdict lingers.

On PostgreSQL two web sides of two processes each and two workers, on SQLite one service.
"""

from __future__ import annotations

import io
import itertools
import json
import time
import zipfile
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from types import SimpleNamespace

import pytest

from mlflow_evidence_plugin.errors import Erased
from mlflow_evidence_plugin.ledger import check_consistency, check_inclusion
from mlflow_evidence_plugin.signing import Keyring
from mlflow_evidence_plugin.statements import WAIVER
from mlflow_evidence_plugin.storage.tables import leaves
from mlflow_evidence_plugin.verify import Expected, verify_archive
from tests.conftest import instant
from tests.faults.together import (
    ENVIRONMENTS,
    LINGERS,
    Together,
    all_at_once,
    attest,
    captured,
    entered,
    revoked,
    waive,
)


@pytest.fixture(params=["postgres", "sqlite"])
def together(request, mlflow_url, maker, tmp_path):
    url = None
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_server").new_database()
    made = Together(tmp_path / "home", mlflow_url, url, 2 if url else 1)
    try:
        for name, role in (("rita", "risk"), ("otto", "risk"), ("vera", "release")):
            made.token(name, "approve", roles=(role,))
        made.token("paula", "policy")
        made.token("ci", "capture", "ingest")
        made.up()
        yield made
    finally:
        made.close()


@pytest.fixture
def subject(together, maker):
    """A version whose `auc` is too low, two that an alias moves between; all captured."""
    model = maker.new_name("together")
    numbers = [maker.version(model, maker.run(auc=auc)) for auc in (0.5, 0.95, 0.95)]
    maker.client.set_registered_model_alias(model, "production", numbers[1])
    found = SimpleNamespace(
        model=model, number=numbers[0], others=numbers[1:], stop=0.0, maker=maker
    )
    for number in numbers[::-1]:
        _, found.digest = captured(together, model, number)
    found.first, found.path = found.digest, f"/v1/models/{model}/versions/{numbers[0]}"
    found.name, found.accepted, found.looks = f"models/{model}/{numbers[0]}", [], []
    found.root = together.evidence.capturing.bundles.get(found.digest).record().root
    found.denied = []
    return found


def verdict(together, subject, environment, side=None, **headers):
    path = f"{subject.path}/decision?environment={environment}"
    status = 503
    while status == 503:  # what the last capture changed is being judged
        status, document = together.ask("rita", path, side=side, **headers)
    assert status == 200, document
    return document


def said(document):
    """A verdict, but for when it was asked for, and of which side."""
    aside = ("resolved_at", "details_url")
    return json.dumps({k: v for k, v in document.items() if k not in aside})


def test_all_at_once_leaves_log_verdicts_and_archive_right(together, subject, tmp_path):
    heads = all_at_once(together, subject)
    attest(together, subject)
    waive(together, subject)
    assert entered(together, subject, "rita", {"role": "risk", "decision": "approved"})
    twins(together, subject)
    time.sleep(LINGERS)
    told = standing(together, subject)
    assert [one["status"] for one in told.values()] == ["passed"] * 3, told
    assert together.odd == []
    for word in ("Traceback", "deadlock", "OperationalError", " 500 ", "unexpected"):
        assert word not in together.log, word
    assert deadlocks(together) == 0
    assert_denied_what_was_revoked(subject)
    assert_log_whole(together, heads)
    assert_archived(together, subject, tmp_path)
    assert_no_echo(together, subject)


def deadlocks(together):
    database = together.evidence.capturing.database
    if database.engine.dialect.name != "postgresql":
        return 0
    query = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    with database.reading() as connection:
        return connection.exec_driver_sql(query).scalar_one()


def twins(together, subject):
    """The same said many times at once is one entry, and taken back with it."""
    told, allowed = {"role": "release", "decision": "approved"}, []
    for _ in range(3):
        with ThreadPoolExecutor(8) as pool:
            asked = [pool.submit(entered, together, subject, "vera", told) for _ in range(8)]
            (statement,) = {one.result() for one in asked}
        allowed.append(verdict(together, subject, "own", Cache_Control="no-cache")["allowed"])
        assert revoked(together, subject, "vera", statement)
        allowed.append(verdict(together, subject, "own", Cache_Control="no-cache")["allowed"])
    assert allowed == [True, False] * 3
    assert entered(together, subject, "vera", told)


def standing(together, subject):
    """The verdict in each environment: what is remembered anywhere is what is so."""
    found = {}
    for environment in ENVIRONMENTS:
        asked = [(side, environment) for side in together.urls for _ in range(6)]
        plain = [verdict(together, subject, where, side) for side, where in asked]
        found[environment] = verdict(together, subject, environment, Cache_Control="no-cache")
        assert {said(one) for one in plain} == {said(found[environment])}
    return found


def assert_denied_what_was_revoked(subject):
    own = [one[1:] for one in subject.looks if one[0] == "own"]
    denied = [a for b, e, a in own if any(f <= b and e <= t for f, t in subject.denied)]
    assert (len(denied) > 3, any(denied)) == (True, False), (len(denied), sum(denied))
    assert any(allowed for _, _, allowed in own), "it was never allowed: nothing is shown"


def assert_log_whole(together, heads):
    log = together.evidence.issuing.ledger
    now, database = log.head(), together.evidence.capturing.database
    for head in heads:
        proof = log.growth(head.size, now.size)
        check_consistency((head.size, head.root), (now.size, now.root), proof)
    with database.reading() as connection:
        rows = connection.execute(leaves.select().order_by(leaves.c.place)).all()
    assert [row.place for row in rows] == list(range(now.size))
    for about in {row.subject for row in rows}:
        chain = log.chain(about, now.size)
        assert [one.leaf.sequence for one in chain] == list(range(len(chain)))
        before = [None, *(one.leaf.digest for one in chain)]
        assert [one.leaf.previous for one in chain] == before[:-1]
        for one in chain:
            check_inclusion(one.leaf.hash, one.index, now.size, one.proof, now.root)


def assert_archived(together, subject, folder):
    """It holds offline, verdicts are derived again, and what was accepted is there."""
    _, data = together.ask("rita", f"/v1/bundles/{subject.digest}/archive")
    (folder / "a.evidence.zip").write_bytes(data)
    trusted = Keyring.of([], [together.evidence.issuing.trust()])
    for environment in ENVIRONMENTS:
        expected = Expected(instant(timedelta()), subject.name, environment)
        report = verify_archive(folder / "a.evidence.zip", trusted, expected)
        assert [one for one in report.checks if not one.passed] == []
        assert any(one.name == "ledger count" for one in report.checks)
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        chain = [one["leaf"]["statement"] for one in json.loads(file.read("ledger/chain.json"))]
        there = len([one for one in file.namelist() if one.startswith("attestations/")])
    assert len(subject.accepted) > 20
    assert set(subject.accepted) <= set(chain)
    _, gone = together.ask("admin", f"/v1/bundles/{subject.first}/erasure", {"reason": "again"})
    assert there == len(set(chain) - set(gone["erased"]))


def assert_no_echo(together, subject):
    """No verdict says what the one before it said already."""
    for environment in ENVIRONMENTS:
        decisions = together.evidence.deciding.decisions
        made = [one for _, one in decisions.history(subject.name, environment, None, 9999)]
        gists = [{k: v for k, v in one.items() if k not in TIMES} for one in made]
        echoes = [made[i : i + 2] for i, (a, b) in enumerate(itertools.pairwise(gists)) if a == b]
        assert len(echoes) * 50 <= len(made), echoes[:1]


TIMES = ("evaluated_at", "expires_at")


@pytest.mark.parametrize("together", ["sqlite"], indirect=True)
def test_what_is_said_while_it_is_erased_is_refused(together, subject):
    """The approver had looked before it was erased, and comes to say it after."""
    record = together.evidence.capturing.bundles.get(subject.first).record()
    status, _ = together.ask("admin", f"/v1/bundles/{subject.first}/erasure", {"reason": "mine"})
    assert status == 200
    approvals = together.evidence.deciding.gathering.approvals
    envelope = json.dumps({"payload": b64encode(b'{"predicate": {}}').decode()}).encode()
    with pytest.raises(Erased):
        approvals.add((record.subject, record.digest), WAIVER, envelope, instant(timedelta()))
