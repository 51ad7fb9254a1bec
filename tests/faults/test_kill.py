"""Processes that are killed, frozen or stopped: each order ends in one record, or in a reason."""

from __future__ import annotations

import http.client
import os
import signal
import urllib.error
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.cluster import NEVER, ONCE, PATIENCE
from tests.faults.processes import command, end, members, until


def test_a_worker_killed_mid_capture_costs_delay_and_nothing_else(cluster, maker):
    cluster.up("web", "worker")
    run = maker.run()
    with cluster.holding(run) as gate:
        made = cluster.order(run)
        gate.wait()
        cluster.kill("worker")
    assert (cluster.capture(made).state, cluster.kept(run)) == ("running", NEVER)
    cluster.lease(made)
    cluster.up("web", "worker")
    ended = cluster.ended(made)
    assert (ended.state, ended.attempts) == ("done", 2)
    assert cluster.kept(run) == ONCE


def test_a_worker_that_is_asked_to_end_ends_the_capture_at_hand_first(cluster, maker):
    cluster.up("web", "worker")
    run, behind = maker.run(), maker.run()
    with cluster.holding(run) as gate:
        made = cluster.order(run)
        gate.wait()
        later = cluster.order(behind)
        cluster.parts["worker"].send_signal(signal.SIGTERM)
        gate.opened.set()
        assert cluster.parts["worker"].wait(PATIENCE) == 0
    assert (cluster.capture(made).state, cluster.capture(made).attempts) == ("done", 1)
    assert cluster.capture(later).state in ("accepted", "done")
    cluster.up("web", "worker")
    assert cluster.ended(later).state == "done"
    assert (cluster.kept(run), cluster.kept(behind)) == (ONCE, ONCE)


def test_a_web_process_killed_mid_request_keeps_what_it_accepted(cluster, maker):
    cluster.up("web", "worker")
    run = maker.run()
    said = {"Prefer": "wait=30", "Idempotency_Key": f"key-{run}"}
    with ThreadPoolExecutor(1) as pool, cluster.holding(run) as gate:
        asked = pool.submit(cluster.order, run, **said)
        gate.wait()
        cluster.kill("web")
        with pytest.raises((urllib.error.URLError, http.client.HTTPException, OSError)):
            asked.result(PATIENCE)
        gate.opened.set()
    cluster.up("web", "worker")
    first = cluster.order(run, **said)
    assert cluster.order(run, **said) == first
    assert cluster.ended(first).state == "done"
    assert cluster.kept(run) == ONCE


def test_a_queue_that_is_lost_with_every_process_loses_no_order(cluster, maker):
    cluster.up("web")
    runs = [maker.run() for _ in range(2)]
    made = [cluster.order(run) for run in runs]
    assert [cluster.order(run) for run in runs] == made, "an equal order that waits is that one"
    cluster.kill("web")
    if cluster.database.engine.dialect.name == "postgresql":
        cluster.run_sql("TRUNCATE huey_task, huey_schedule, huey_kv")
    else:
        for file in cluster.home.glob("queue.db*"):
            file.unlink()
    cluster.up("web", "worker")
    assert [cluster.ended(one).state for one in made] == ["done"] * 2
    assert [cluster.kept(run) for run in runs] == [ONCE] * 2


def test_a_worker_frozen_beyond_its_lease_is_replaced_and_adds_nothing(cluster, maker):
    """Two workers side by side: the one that wakes late has lost its order to the other."""
    cluster.up("web", "worker1")
    run, other = maker.run(), maker.run()
    with cluster.holding(run) as first:
        made = cluster.order(run, Idempotency_Key=f"key-{run}")
        first.wait()
        cluster.up("web", "worker1", "worker2")
        assert cluster.ended(cluster.order(other)).state == "done", "nobody works beside it"
        cluster.parts["worker1"].send_signal(signal.SIGSTOP)
        cluster.lease(made)
        with cluster.holding(run) as second:
            assert cluster.order(run, Idempotency_Key=f"key-{run}") == made  # queued once more
            second.wait()
            first.opened.set()
            cluster.parts["worker1"].send_signal(signal.SIGCONT)
            assert cluster.stop("worker1") == 0, "it ends what it had begun, in vain"
            assert (cluster.capture(made).state, cluster.kept(run)) == ("running", NEVER)
    ended = cluster.ended(made)
    assert (ended.state, ended.attempts, cluster.kept(run)) == ("done", 2, ONCE)


def test_two_workers_that_capture_one_run_at_once_keep_one_record(cluster, maker):
    cluster.up("web", "worker1", "worker2")
    run = maker.run()
    with cluster.holding(run) as gate:
        first = cluster.order(run)
        gate.wait()
        second = cluster.order(run)  # the first one is begun: what it saw may be too old
        until(lambda: cluster.capture(second).state == "running", PATIENCE)
    ended = [cluster.ended(one) for one in (first, second)]
    assert [(one.state, one.attempts) for one in ended] == [("done", 1)] * 2
    assert first != second
    assert ended[0].record_digest == ended[1].record_digest
    assert cluster.kept(run) == {**ONCE, "observations": 2}


@pytest.mark.parametrize(
    ("cluster_of_kind", "part"),
    [("sqlite", b"worker"), ("postgres", b"api.wsgi:app")],
    indirect=["cluster_of_kind"],
)
def test_a_part_that_is_killed_ends_the_service_and_a_restart_resumes(cluster, maker, part):
    cluster.up()
    run = maker.run()
    together = cluster.together()
    again = None
    try:
        with cluster.holding(run) as gate:
            made = cluster.order(run)
            gate.wait()
            for pid in members(together):
                if part in command(pid):
                    os.kill(pid, signal.SIGKILL)
            gate.opened.set()
            assert together.wait(PATIENCE) == 1, "it says that it did not end by itself"
        until(lambda: not members(together), PATIENCE)
        if not cluster.capture(made).ended:
            cluster.lease(made)
        again = cluster.together()
        assert cluster.ended(made).state == "done"
        assert cluster.kept(run) == ONCE
    finally:
        for process in filter(None, (together, again)):
            end(process)
