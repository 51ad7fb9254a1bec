"""Several web sides and workers at one subject at once: nothing is lost, and no verdict lingers.

On PostgreSQL two web sides of two processes each and two workers, on SQLite one service.
"""

from __future__ import annotations

import io
import itertools
import json
import random
import threading
import time
import urllib.error
import urllib.request
import zipfile
from base64 import b64encode
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from types import SimpleNamespace

import pytest

from mlflow_evidence_plugin.errors import Erased
from mlflow_evidence_plugin.ledger import check_consistency, check_inclusion
from mlflow_evidence_plugin.record import canonical
from mlflow_evidence_plugin.settings import Settings
from mlflow_evidence_plugin.signing import Keyring, SigningKey, sign
from mlflow_evidence_plugin.statements import PAYLOAD_TYPE, WAIVER
from mlflow_evidence_plugin.storage.tables import leaves
from mlflow_evidence_plugin.verify import Expected, verify_archive
from mlflow_evidence_plugin.wiring import build, prepare
from tests.conftest import instant
from tests.faults.cluster import PATIENCE
from tests.faults.processes import answers, end, start, until
from tests.servers import DIRECT, free_port

SECONDS = 24
"""For which all ask and say at once. Aliases are moved in the first third: a verdict that rests on
them may stand for fifteen seconds."""

LINGERS = 1.5
"""Seconds after which nobody may answer with what was so before: memory lasts for one."""

SCAN = "https://in-toto.io/attestation/vulns/v0.1"
POLICY = """\
version: 1
environments:
  prod:
    rules:
      - rule: tracked-run
      - {rule: metric-threshold, metric: auc, min: 0.9}
      - {rule: no-regression, metric: log_loss, direction: lower, baseline: {alias: production}}
      - {rule: approvals, roles: [risk]}
      - {rule: attested, type: "https://in-toto.io/attestation/vulns/*"}
  lab:
    rules:
      - {rule: approvals, roles: [risk]}
  own:
    rules:
      - {rule: approvals, roles: [release]}
"""
ENVIRONMENTS = ("prod", "lab", "own")
FINE = {
    "GET decision": {200},
    "POST approvals": {200, 201, 409, 410},
    "POST revocation": {200, 201, 404, 410},
    "POST waivers": {201, 410},
    "POST attestations": {200, 201, 404, 410},
    "POST captures": {201, 202},
    "POST erasure": {200, 409},
}
"""What each may be answered while the others are at it: 410, and 404, of what was erased."""


class Together:
    """The service's sides on one database, what was asked of them, and what they said."""

    def __init__(self, home, mlflow_url, database, sides):
        self.home = home
        home.parent.mkdir(parents=True, exist_ok=True)
        self.scanner = SigningKey.create(home.parent / "scanner.pem")
        told = {"name": "scanner", "pem": self.scanner.public_pem.decode()}
        signers = {"signers": [told | {"predicate_types": [SCAN]}]}
        (home.parent / "signers.json").write_text(json.dumps(signers))
        (home.parent / "policy.yaml").write_text(POLICY)
        env = {"TRACKING_URI": mlflow_url, "POLICY_FILE": str(home.parent / "policy.yaml")}
        env |= {"TRUSTED_SIGNERS": str(home.parent / "signers.json")}
        env |= {"DATABASE_URL": database} if database else {}
        self.env = env
        self.settings = Settings.read(
            {f"EVIDENCE_SERVICE_{k}": v for k, v in {"HOME": str(home), **env}.items()}
        )
        prepare(self.settings)
        self.evidence = build(self.settings)
        self.ports = [free_port() for _ in range(sides)]
        self.urls = [f"http://127.0.0.1:{port}" for port in self.ports]
        self.parts, self.odd, self.said = [], [], Counter()
        self.tokens = {"admin": (home / "token").read_text().strip()}
        self.lock = threading.Lock()

    def up(self):
        for port in self.ports:
            options = ("--port", str(port), "--web-workers", "2")
            if len(self.ports) == 1:
                self.parts.append(start(self.home, *options, **self.env))
            else:
                self.parts += [start(self.home, *options, p, **self.env) for p in ("web", "worker")]
        until(lambda: all(answers(url) for url in self.urls), PATIENCE)

    def close(self):
        for process in self.parts:
            process.terminate()
        for process in self.parts:
            end(process)
        self.evidence.capturing.database.dispose()

    @property
    def log(self):
        return (self.home.parent / f"{self.home.name}.log").read_text("utf-8", "replace")

    def token(self, name, *scopes, roles=()):
        args = (name, ("evidence:read", *scopes), ("*",), ("*",), instant(timedelta()), None, roles)
        self.tokens[name] = self.evidence.tokens.create(*args)

    def ask(self, who, path, body=None, side=None, **headers):
        """Status and document, from a side by chance; what is not `FINE` is kept as `odd`."""
        known = {"Authorization": f"Bearer {self.tokens[who]}", "Content-Type": "application/json"}
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        url = (side or random.choice(self.urls)) + path
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            asked = urllib.request.Request(url, data, known | named)
            with DIRECT.open(asked, timeout=PATIENCE) as answer:
                status, told = answer.status, answer.read()
        except urllib.error.HTTPError as refused:
            with refused:
                status, told = refused.code, refused.read()
        document = json.loads(told) if told[:1] == b"{" else told
        kind = f"{'GET' if body is None else 'POST'} {path.partition('?')[0].rpartition('/')[2]}"
        fine = status in FINE.get(kind, {200})
        changing = status == 503 and document["code"] == "still-changing"
        with self.lock:
            self.said[kind, status] += 1
            if not (fine or changing):
                self.odd.append((kind, status, document))
        return status, document


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


def captured(together, model, number):
    """Order a capture and see it end: its id, and the digest of what came of it."""
    status, order = together.ask(
        "ci", "/v1/captures", {"model": model, "version": number}, Prefer="wait=20"
    )
    if status == 201:
        return None, order["digest"]
    store = together.evidence.capturing.captures
    until(lambda: store.get(order["id"]).ended, PATIENCE)
    ended = store.get(order["id"])
    assert ended.state == "done", ended
    return order["id"], ended.record_digest


def entered(together, subject, who, told):
    """Say something of the release; the statement's digest if it was taken."""
    path = f"/v1/bundles/{subject.digest}/{'waivers' if 'rule' in told else 'approvals'}"
    status, document = together.ask(who, path, told)
    if status == 201:
        subject.accepted.append(document["statement"])
    return document["statement"] if status in (200, 201) else None


def revoked(together, subject, who, statement):
    """Whether it no longer counts; it may have gone with what was erased."""
    path = f"/v1/bundles/{subject.digest}/approvals/{statement}/revocation"
    status, document = together.ask(who, path, {"comment": "not yet"})
    if status == 201:
        subject.accepted.append(document["statement"])
    return status in (200, 201, 404)


def gate(together, subject):
    environment = random.choice((*ENVIRONMENTS, "own"))
    fresh = {"Cache_Control": "no-cache"} if random.random() < 0.3 else {}
    began = time.monotonic()
    path = f"{subject.path}/decision?environment={environment}"
    status, document = together.ask("rita", path, **fresh)
    if status == 200:
        subject.looks.append((environment, began, time.monotonic(), document["allowed"]))
    time.sleep(0.02)


def person(name):
    def act(together, subject):
        decision = random.choices(("approved", "rejected"), (4, 1))[0]
        statement = entered(together, subject, name, {"role": "risk", "decision": decision})
        time.sleep(random.random() / 2)
        while statement and not revoked(together, subject, name, statement):
            pass

    return act


def owner(together, subject):
    """Alone in her role: between what she takes back and what she says next all is denied."""
    statement = entered(together, subject, "vera", {"role": "release", "decision": "approved"})
    time.sleep(1)
    while statement and not revoked(together, subject, "vera", statement):
        pass
    since = time.monotonic() + LINGERS
    time.sleep(LINGERS + 1)
    subject.denied.append((since, time.monotonic()))


def waive(together, subject):
    told = {"environment": "prod", "rule": "metric-threshold", "expires_at": instant(timedelta(9))}
    entered(together, subject, "paula", told | {"reason": f"known: {random.random()}"})
    time.sleep(1)


def attest(together, subject):
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": subject.name, "digest": {"sha256": subject.root}}],
        "predicateType": SCAN,
        "predicate": {"scanner": {"uri": "https://scanner.example"}, "at": time.monotonic_ns()},
    }
    envelope = sign(canonical(statement), PAYLOAD_TYPE, together.scanner)
    status, document = together.ask("ci", "/v1/attestations", envelope)
    if status == 201:
        assert document["state"] == "trusted", document
        subject.accepted.append(document["digest"])
    time.sleep(1)


def move(together, subject):
    time.sleep(0.5)
    if subject.stop - time.monotonic() > SECONDS * 2 / 3:
        client, others = subject.maker.client, subject.others
        client.set_registered_model_alias(subject.model, "production", random.choice(others))


def retag(together, subject):
    client, value = subject.maker.client, str(time.monotonic_ns())
    client.set_model_version_tag(subject.model, subject.number, "stage", value)
    _, subject.digest = captured(together, subject.model, subject.number)
    time.sleep(0.5)


def erase(together, subject):
    """Once, midway, when there is a newer one."""
    time.sleep(1)
    if subject.stop - time.monotonic() < SECONDS / 2 and subject.first != subject.digest:
        path = f"/v1/bundles/{subject.first}/erasure"
        status, _ = together.ask("admin", path, {"reason": "it names a patient"})
        while status == 200 and time.monotonic() < subject.stop:
            time.sleep(0.1)


ACTS = (gate, gate, gate, person("rita"), person("otto"), owner, waive, attest, move, retag, erase)


def all_at_once(together, subject):
    """Everybody, again and again; and the log's heads meanwhile."""
    subject.stop, heads = time.monotonic() + SECONDS, []

    def again(act):
        while time.monotonic() < subject.stop:
            act(together, subject)

    def head(*_):
        heads.append(together.evidence.issuing.checkpoint(None)[0])
        time.sleep(1)

    with ThreadPoolExecutor(len(ACTS) + 1) as pool:
        for done in [pool.submit(again, act) for act in (*ACTS, head)]:
            done.result(SECONDS + PATIENCE)
    return heads


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
