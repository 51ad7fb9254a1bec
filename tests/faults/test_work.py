"""Workers that fail, die or come twice: an order is done once and whole, or leaves a reason."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
import urllib.error
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from mlflow_evidence_plugin.errors import StorageUnavailable
from mlflow_evidence_plugin.service import CaptureRequest
from tests.faults.processes import command, end, members, running, start, until
from tests.servers import free_port
from tests.world import POLICY


@pytest.fixture
def order(service, world):
    """A new order for the good run, and the use case of capturing."""
    capturing = service.evidence.capturing
    caller = service.evidence.caller((service.home / "token").read_text().strip())
    return capturing.accept(CaptureRequest(run_id=world.child), caller), capturing


def without(counts, *names):
    return {table: n for table, n in counts.items() if table not in names}


class Broken:
    """A part whose one method fails, and which is otherwise the real one."""

    def __init__(self, part, method, error):
        self.part, self.method, self.error = part, method, error

    def __getattr__(self, name):
        if name != self.method:
            return getattr(self.part, name)

        def fail(*_):
            raise self.error

        return fail


def test_a_capture_that_fails_at_its_last_step_leaves_nothing(service, order):
    made, capturing = order
    before = service.counts()
    broken = Broken(capturing.captures, "done", StorageUnavailable("the disk is full"))
    ended = replace(capturing, captures=broken).perform(made.id)
    assert (ended.state, ended.error_code) == ("accepted", "storage-unavailable")
    assert service.counts() == before
    assert capturing.perform(made.id).state == "done"


def test_an_unexpected_error_fails_the_capture_and_shows_no_internals(service, order):
    made, capturing = order
    before = service.counts()
    broken = Broken(capturing.store, "run", ZeroDivisionError("at /srv/secret"))
    ended = replace(capturing, store=broken).perform(made.id)
    assert (ended.state, ended.error_code) == ("failed", "error")
    assert "ZeroDivisionError" in ended.error_detail
    assert "/srv/secret" not in ended.error_detail
    assert service.counts() == before


def test_an_order_that_ended_is_not_carried_out_again(service, order):
    made, capturing = order
    assert capturing.perform(made.id).state == "done"
    before = service.counts()
    assert capturing.perform(made.id).state == "done"
    assert service.counts() == before


def test_two_workers_at_one_order_carry_it_out_once(service, order):
    made, capturing = order
    before = service.counts()["observations"]
    threads = [threading.Thread(target=capturing.perform, args=(made.id,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert capturing.captures.get(made.id).state == "done"
    assert service.counts()["observations"] == before + 1


def test_a_worker_that_lost_its_lease_does_not_carry_the_order_out_twice(service, order):
    """It was stopped for longer than its lease; meanwhile another one took over and ended."""
    made, capturing = order
    before = service.counts()["observations"]

    class Stopped:
        def __getattr__(self, name):
            return getattr(capturing.store, name)

        def run(self, *args):
            found = capturing.store.run(*args)
            lapse(capturing.database, made.id)
            assert capturing.perform(made.id).state == "done"
            return found

    replace(capturing, store=Stopped()).perform(made.id)
    assert capturing.captures.get(made.id).attempts == 2
    assert service.counts()["observations"] == before + 1


def lapse(database, capture_id):
    """As if the time of the lease had gone by."""
    with database.writing() as connection:
        connection.exec_driver_sql(
            "UPDATE captures SET lease_until = '2000-01-01T00:00:00.000Z' WHERE id = ?",
            (capture_id,),
        )


def test_an_order_whose_worker_died_is_found_again_when_its_lease_lapses(service, order):
    made, capturing = order
    now = "2026-01-01T00:00:00.000Z"
    capturing.captures.claim(made.id, now, "2026-01-01T00:01:00.000Z")
    assert made.id not in capturing.captures.unfinished("2026-01-01T00:00:59.000Z")
    assert made.id in capturing.captures.unfinished("2026-01-01T00:01:01.000Z")
    assert capturing.perform(made.id).state == "done"


def test_a_service_captures_over_rest_and_ends_when_asked(tmp_path, mlflow_url, world):
    with running(tmp_path / "home", TRACKING_URI=mlflow_url) as service:
        made = service.post("/v1/captures", {"run_id": world.good}, wait=30)
        assert made["state"] == "done"
        assert service.get(made["bundle"])["subject"] == f"runs/{world.good}"
        assert len(members(service.process)) >= 3
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(8) == 0
        assert members(service.process) == []
    said = (tmp_path / "home.log").read_text()
    assert service.token not in said
    assert "PRIVATE KEY" not in said
    assert "Traceback" not in said


def test_verdicts_are_made_when_evidence_arrives_and_not_when_they_are_asked_for(
    tmp_path, mlflow_url, world
):
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY, "utf-8")
    env = {"TRACKING_URI": mlflow_url, "POLICY_FILE": str(policy)}
    with running(tmp_path / "home", **env) as service:
        order = {"model": "credit", "version": world.v_good}
        assert service.post("/v1/captures", order, wait=30)["state"] == "done"
        path = f"/v1/models/credit/versions/{world.v_good}/decisions"
        until(lambda: len(service.get(path)["items"]) == 3, 30)
        made = service.get(path)["items"]
        assert {one["environment"] for one in made} == {"prod", "lab", "first"}
        asked = service.get(path[:-1] + "?environment=lab")
        assert asked["decision"] in {one["decision"] for one in made}


def test_a_service_that_is_asked_to_end_while_it_starts_leaves_no_process(tmp_path, mlflow_url):
    port = str(free_port())
    process = start(tmp_path / "home", "--port", port, TRACKING_URI=mlflow_url)
    try:
        until(lambda: len(members(process)) > 1, 60)
        process.send_signal(signal.SIGTERM)
        process.wait(15)
        until(lambda: not members(process), 3)
        assert members(process) == []
    finally:
        end(process)


def test_captures_that_are_waited_for_leave_room_for_others(tmp_path, mlflow_url, world):
    """Nobody works here: 12 callers want to wait, and the service still says that it lives."""
    with running(tmp_path / "home", TRACKING_URI=mlflow_url) as service:
        stopped = [pid for pid in members(service.process) if command(pid)[-1] == b"worker"]
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            with ThreadPoolExecutor(12) as pool:
                order = {"run_id": world.good}
                asked = [pool.submit(service.post, "/v1/captures", order, 10) for _ in range(12)]
                began = time.monotonic()
                service.get("/livez")
                assert time.monotonic() - began < 3
                for pid in stopped:
                    os.kill(pid, signal.SIGCONT)
                states = {one.result()["state"] for one in asked}
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
    assert stopped
    assert states <= {"accepted", "running", "done"}


def test_a_path_cannot_write_a_line_of_its_own_into_the_log(tmp_path, mlflow_url):
    refused = contextlib.suppress(urllib.error.HTTPError)
    with running(tmp_path / "home", TRACKING_URI=mlflow_url) as service, refused:
        service.get("/v1/x%0aGET%20/v1/forged%20200%202ms")
    log = (tmp_path / "home.log").read_bytes()
    assert rb"/v1/x\nGET" in log, "escaped, as JSON has it"
    assert b"\nGET /v1/forged" not in log
