"""A crowd at one subject: who asks, says, moves, captures and erases, all at once."""

from __future__ import annotations

import json
import random
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from mlflow_evidence_plugin.record import canonical
from mlflow_evidence_plugin.settings import Settings
from mlflow_evidence_plugin.signing import SigningKey, sign
from mlflow_evidence_plugin.statements import PAYLOAD_TYPE
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
