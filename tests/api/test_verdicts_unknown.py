"""What is not known, no longer so, or not for its speaker to say, lets no release through."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from copy import copy
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import mlflow
import pytest

from mlflow_evidence_plugin.policy import parse
from mlflow_evidence_plugin.service import gathering
from mlflow_evidence_plugin.service.deciding import Deciding
from mlflow_evidence_plugin.signing import Keyring
from mlflow_evidence_plugin.snapshot import Gap
from mlflow_evidence_plugin.verify import Expected, verify_archive
from tests.browser.gallery import gallery, made_run, made_version
from tests.contract.checked import Client

FIRST = (
    "{rule: no-regression, metric: auc, baseline: previous, if_no_baseline: pass}",
    "{rule: rollback-target, if_no_target: pass}",
)
ALIASED = (
    "{rule: no-regression, metric: auc, baseline: {alias: production}, if_no_baseline: pass}",
    "{rule: rollback-target, target: {alias: production}, if_no_target: pass}",
)
APPROVED = "{rule: approvals, roles: [risk]}"
BACK = "{rule: rollback-target, if_no_target: pass}"
GOOD, BAD = {"auc": [0.95], "log_loss": [0.1]}, {"auc": [0.1], "log_loss": [0.9]}
OTHER_RUN = "c" * 32


class World:
    """A service with a policy of these rules, and a shelf of versions in the place of MLflow."""

    def __init__(self, folder):
        self.folder, self.gallery = folder, gallery(folder)
        self.shelf, self.service = self.gallery.shelf, self.gallery.service

    def rules(self, *rules):
        text = "".join(f"      - {one}\n" for one in rules)
        self.policy = parse(f"version: 1\nenvironments:\n  prod:\n    rules:\n{text}".encode())
        self.app = self.service.app(store=self.shelf, policy=self.policy)
        self.client = Client(self.app, self.gallery.token)

    def capture(self, version, run=None, **changes):
        made = made_version(version, run or made_run(), **changes)
        self.shelf.versions[made.name, made.version] = made
        answer = self.client.capture(model=made.name, version=made.version)
        assert answer.status_code == 201, answer.text
        return answer.json["digest"]

    def ask(self, version="7", client=None):
        path = f"/v1/models/tumour/versions/{version}/decision?environment=prod"
        answer = (client or self.client).get(path, headers={"Cache-Control": "no-cache"})
        assert answer.status_code == 200, answer.text
        return answer.json

    def by(self, who, *scopes, **more):
        token = self.service.token(who, "evidence:read", *scopes, **more)
        return Client(self.app, token)

    def approve(self, digest, who, decision="approved", **more):
        client = self.by(who, "approve", roles=("risk",))
        said = {"role": "risk", "decision": decision, **more}
        return client.post(f"/v1/bundles/{digest}/approvals", said)

    def verified(self, digest):
        """What an auditor finds wrong in the archive."""
        file = self.folder / "of.evidence.zip"
        file.write_bytes(self.client.get(f"/v1/bundles/{digest}/archive").data)
        trusted = Keyring.of([(self.service.home / "public-key.pem").read_bytes()])
        report = verify_archive(file, trusted, Expected("2100-01-01T00:00:00.000Z"))
        return [f"{one.name}: {one.detail}" for one in report.checks if not one.passed]


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


@pytest.mark.parametrize(
    "rule",
    [
        "{rule: metric-threshold, metric: log_loss, max: 0.0}",
        "{rule: metric-threshold, metric: log_loss, max: -0.0}",
        "{rule: fresh, max_run_age_hours: 870000.0}",
        "{rule: max-cost, max_minutes: 1.0, max_bytes: 1.0}",
        '{rule: expression, expression: "params.all(k, int(params[k]) > 1000000)"}',
    ],
)
def test_a_verdict_is_derived_again_however_its_numbers_were_written(world, rule):
    world.rules(rule)
    digest = world.capture("7")
    assert world.ask()["record"] == digest
    assert world.verified(digest) == []


def test_a_previous_version_that_could_not_be_read_is_not_none(world):
    world.rules(*FIRST)
    world.capture("6", made_run(GOOD), previous=None)
    worse = made_run(BAD, run_id=OTHER_RUN)
    unread = Gap("lineage/previous_version", "unreadable", "MlflowException")
    digest = world.capture("7", worse, previous=None, gaps=(unread,))
    said = world.ask()
    assert [one["code"] for one in said["reasons"]] == ["no-regression", "rollback-target"]
    assert all("could not be read" in one["found"] for one in said["reasons"])
    assert all("capture it again" in one["mend"] for one in said["reasons"])
    assert world.verified(digest) == []
    world.capture("7", worse, previous=None)
    assert world.ask()["allowed"]  # a first release


class Stranger(BaseHTTPRequestHandler):
    """What stands at MLflow's address while MLflow does not."""

    answer = (404, "text/plain", b"default backend - 404")

    def do_GET(self):
        status, kind, body = self.answer
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_):
        pass


@contextmanager
def stranger(*answer):
    handler = type("Handler", (Stranger,), {"answer": answer})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    "answer",
    [
        (404, "text/plain", b"default backend - 404"),
        (400, "text/html", b"<html><title>400 Bad Request</title></html>"),
        (404, "application/json", b'{"statusCode": 404, "message": "Resource not found"}'),
        (404, "application/json", b'{"message": "no Route matched with those values"}'),
        (200, "text/html", b"<html>sign in</html>"),
        (200, "application/json", b"{}"),
    ],
    ids=["ingress", "proxy", "gateway", "another gateway", "sign-in", "nothing"],
)
def test_whoever_answers_in_the_place_of_mlflow_does_not_open_the_gate(world, monkeypatch, answer):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    world.rules(*ALIASED)
    world.capture("6", made_run(GOOD), previous=None)
    digest = world.capture("7", made_run(BAD, run_id=OTHER_RUN))
    with stranger(*answer) as url:
        store = copy(world.service.evidence.capturing.store)
        store.client = mlflow.MlflowClient(url, url)
        client = Client(world.service.app(store=store, policy=world.policy), world.gallery.token)
        said = world.ask(client=client)
        assert [one["code"] for one in said["reasons"]] == ["no-regression", "rollback-target"]
        assert all("unknown" in one["found"] for one in said["reasons"])
        by_alias = client.get("/v1/models/tumour/aliases/production/evidence")
        assert by_alias.status_code == 503
        drift = client.get(f"/v1/bundles/{digest}/drift").json
        assert (drift["drifted"], drift["findings"]) == (None, [])


def test_a_model_that_the_registry_does_not_have_is_no_first_release(world):
    world.rules(*ALIASED)
    world.capture("7")
    assert world.ask()["allowed"]
    del world.shelf.versions["tumour", "7"]
    assert "has no model tumour" in world.ask()["reasons"][0]["found"]


def test_nobody_waives_a_rule_for_their_own_through_earlier_evidence(world):
    world.rules("{rule: metric-threshold, metric: auc, min: 0.999}")
    tags = {name: one for name, one in made_run().tags.items() if name != "evidence.owner"}
    earlier = world.capture("7", made_run(tags=tags))
    now = world.capture("7", made_run(tags=tags | {"evidence.owner": "mallory@example.org"}))
    until = "2027-01-01T00:00:00.000Z"
    said = {"environment": "prod", "rule": "metric-threshold", "reason": "me", "expires_at": until}
    mallory, rita = world.by("mallory@example.org", "policy"), world.by("rita", "policy")
    assert mallory.post(f"/v1/bundles/{now}/waivers", said).json["code"] == "own-run"
    assert mallory.post(f"/v1/bundles/{earlier}/waivers", said).status_code == 201
    assert not world.ask()["allowed"]
    assert rita.post(f"/v1/bundles/{now}/waivers", said).status_code == 201
    assert world.ask()["waived"][0]["by"] == "rita"
    assert mallory.post(f"/v1/bundles/{earlier}/waivers", said).status_code == 201
    assert world.ask()["waived"][0]["by"] == "rita"  # hers is not put out of force by his
    assert world.verified(now) == []


def test_a_rejection_is_taken_back_by_who_said_it_and_by_no_namesake(world):
    world.rules(APPROVED)
    digest = world.capture("7")
    world.approve(digest, "bob")
    said = world.approve(digest, "Rita", "rejected").json["statement"]
    path = f"/v1/bundles/{digest}/approvals/{said}/revocation"
    for other in ("rita@partner.example", "rita.b", "bob"):
        assert world.by(other, "approve").post(path, {}).status_code == 403
    assert not world.ask()["allowed"]
    assert world.by("rita", "approve").post(path, {}).status_code == 201
    assert world.ask()["allowed"]


def test_a_pass_by_another_policy_is_no_way_back(world):
    world.rules(BACK)
    world.capture("6", made_run(BAD), previous=None)
    assert world.ask("6")["allowed"]
    world.rules(BACK, "{rule: metric-threshold, metric: auc, min: 0.9}")
    digest = world.capture("7", made_run(GOOD, run_id=OTHER_RUN))
    said = world.ask("7")
    assert [one["code"] for one in said["reasons"]] == ["rollback-target"]
    assert "ran out" in said["reasons"][0]["found"]
    assert world.verified(digest) == []
    assert not world.ask("6")["allowed"]
    assert not world.ask("7")["allowed"]


def test_nor_is_a_verdict_on_earlier_evidence(world, monkeypatch):
    world.rules(BACK)
    world.capture("6", made_run(GOOD), previous=None)
    world.capture("7", made_run(GOOD, run_id=OTHER_RUN))
    assert world.ask("6")["allowed"] and world.ask("7")["allowed"]
    with monkeypatch.context() as patched:
        patched.setattr(Deciding, "settle", lambda *_: None)  # nobody has come to it yet
        world.capture("6", made_run(BAD), previous=None)
    assert "never judged" in world.ask("7")["reasons"][0]["found"]


def test_a_verdict_ends_when_what_it_rests_on_ends_sooner(world):
    world.rules(BACK, APPROVED)
    first = world.capture("6", previous=None)
    second = world.capture("7", made_run(run_id=OTHER_RUN))
    for digest in (first, second):
        assert world.approve(digest, "rita").status_code == 201
    world.ask("6")
    before = world.ask("7")
    assert before["allowed"]
    known = world.client.get(f"/v1/bundles/{first}/approvals").json["approvals"][0]["statement"]
    revoke = f"/v1/bundles/{first}/approvals/{known}/revocation"
    assert world.by("rita", "approve").post(revoke, {}).status_code == 201
    until = world.service.evidence.now() + timedelta(hours=1)
    soon = until.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    assert world.approve(first, "bob", expires_at=soon).status_code == 201
    assert world.ask("6")["expires_at"] == soon
    after = world.ask("7")
    assert (after["allowed"], after["expires_at"]) == (True, soon)
    assert world.verified(second) == []


def test_more_runs_than_are_looked_through_are_no_trend(world, monkeypatch):
    monkeypatch.setattr(gathering, "LOOKED_THROUGH", 5)
    world.rules("{rule: trend, metric: auc, runs: 3, at_least: 3, if_too_few: pass}")

    def capture(number, metrics):
        start = 1_700_000_000_000 + number * 1_000
        run = made_run(metrics, run_id=f"{number:032x}", start_time=start)
        return world.capture(str(number), run, previous=None)

    for number in range(1, 5):
        capture(number, GOOD)
    digest = capture(5, BAD)
    assert not world.ask("5")["allowed"]
    for number in range(6, 12):
        capture(number, GOOD)
    said = world.ask("5")
    assert "more runs than" in said["reasons"][0]["found"]
    assert world.verified(digest) == []
