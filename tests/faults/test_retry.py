"""Tries are bounded, with pauses that grow, and the reason can be seen from the first one on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import mlflow
import pytest

from api.tasks import enqueuer
from mlflow_evidence_plugin.service import CaptureRequest, capture
from mlflow_evidence_plugin.service.capture import ATTEMPTS, BACKOFF
from mlflow_evidence_plugin.settings import MLFLOW_CLIENT
from mlflow_evidence_plugin.storage import Principal
from mlflow_evidence_plugin.wiring import build
from tests.conftest import instant
from tests.faults.cluster import NEVER, NEVER_AGAIN, ONCE, PATIENCE
from tests.faults.meddler import Answer, honest
from tests.faults.processes import until


def away(run_id):
    """A tracking server that fails whoever asks about one run."""

    def meddle(asked, forward):
        return Answer(503, b"{}") if run_id in asked else forward()

    return meddle


def tried(cluster, made, times):
    """The capture once it was tried at least so often, and was given back or ended."""

    def found():
        order = cluster.capture(made)
        return order if order.attempts >= times and order.state != "running" else None

    return until(found, PATIENCE)


def test_tries_end_after_growing_pauses_and_the_reason_is_shown_meanwhile(cluster, maker):
    cluster.up("web", "worker")
    run = maker.run()
    cluster.meddler.meddle = away(run)
    before = instant(BACKOFF)
    made = cluster.order(run, Idempotency_Key=f"key-{run}")
    tries = 0
    while not (order := tried(cluster, made, tries + 1)).ended:
        tries = order.attempts
        assert (order.state, order.lease_until >= before) == ("accepted", True)
        assert tries < ATTEMPTS
        shown = cluster.ask(f"/v1/captures/{made}").document
        assert (shown["error"]["code"], bool(shown["error"]["mend"])) == ("store-unavailable", True)
        before = instant(BACKOFF * 2**tries)
        cluster.lease(made)
        assert cluster.order(run, Idempotency_Key=f"key-{run}") == made  # queued: no need to wait
    assert (order.state, order.error_code) == ("failed", "store-unavailable")
    assert (order.attempts, cluster.kept(run)) == (ATTEMPTS, NEVER)


def test_duplicates_in_the_queue_change_nothing_and_shorten_no_pause(cluster, maker):
    cluster.up("web", "worker")
    run, last = maker.run(), maker.run()
    cluster.meddler.meddle = away(run)
    made = cluster.order(run)
    tried(cluster, made, 1)
    cluster.lease(made, NEVER_AGAIN)
    enqueue = enqueuer(cluster.settings)
    for _ in range(8):
        enqueue(made)
    assert cluster.order(run) == made
    # One capture at a time, in their order: when this one has ended, the others were looked at.
    assert cluster.ended(cluster.order(last)).state == "done"
    assert (cluster.capture(made).state, cluster.capture(made).attempts) == ("accepted", 1)
    cluster.meddler.meddle = honest
    cluster.lease(made)
    for _ in range(8):
        enqueue(made)
    ended = cluster.ended(made)
    assert cluster.ended(cluster.order(maker.run())).state == "done"
    assert (cluster.capture(made), ended.state, ended.attempts) == (ended, "done", 2)
    assert cluster.kept(run) == ONCE


def test_a_store_that_comes_back_is_tried_again_without_being_asked(cluster, maker):
    cluster.up("web", "worker")
    run = maker.run()
    cluster.meddler.meddle = away(run)
    made = cluster.order(run)
    tried(cluster, made, 1)
    cluster.meddler.meddle = honest
    assert cluster.ended(made).state == "done"
    assert "error" not in cluster.ask(f"/v1/captures/{made}").document
    assert cluster.kept(run) == ONCE


@pytest.fixture
def capturing(cluster, monkeypatch):
    """The use case in this process, on the cluster's parts; no worker but the test."""
    for name, value in MLFLOW_CLIENT.items():
        monkeypatch.setenv(name, value)
    before = mlflow.get_tracking_uri()
    cluster.up()
    made = build(cluster.settings).capturing
    yield made
    made.database.dispose()
    mlflow.set_tracking_uri(before)


def test_a_lease_is_renewed_for_as_long_as_the_work_takes(cluster, capturing, maker, monkeypatch):
    monkeypatch.setattr(capture, "LEASE", timedelta(seconds=0.6))
    run = maker.run()
    me = Principal("ci", ("capture",), ("*",), ("*",), "t")
    made = capturing.accept(CaptureRequest(run_id=run), me)
    with ThreadPoolExecutor(1) as pool, cluster.holding(run) as gate:
        ended = pool.submit(capturing.perform, made.id)
        gate.wait()
        first = leased(cluster, made.id)
        until(lambda: leased(cluster, made.id) > first + capture.LEASE, PATIENCE)
        gate.opened.set()
        assert (ended.result(PATIENCE).state, cluster.kept(run)) == ("done", ONCE)


def leased(cluster, capture_id):
    return datetime.fromisoformat(cluster.capture(capture_id).lease_until.rstrip("Z"))
