"""Timestamps in a running service, whatever the authority does; and `verify --tsa`."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest
from sqlalchemy import text

from api.tasks import enqueuer
from mlflow_evidence_plugin.service import CaptureRequest
from mlflow_evidence_plugin.settings import Settings
from mlflow_evidence_plugin.storage import Database, Principal
from mlflow_evidence_plugin.wiring import build, prepare
from tests.authority import Authority, authority
from tests.cli.test_cli import cli
from tests.faults.processes import end, start, until
from tests.servers import free_port

DONE = "state = 'done'"


class World:
    """A home, an authority, and a worker that a test starts and ends."""

    def __init__(self, home: Path, tracking: str, tsa: Authority) -> None:
        self.home, self.tsa = home, tsa
        self.env = {"TRACKING_URI": tracking, "TIMESTAMP_URL": tsa.url}
        named = {"HOME": str(home), **self.env}
        self.settings = Settings.read({f"EVIDENCE_SERVICE_{k}": v for k, v in named.items()})
        prepare(self.settings)
        self.database = Database(self.settings.database_url)
        self.worker: subprocess.Popen[bytes] | None = None

    def order(self, run_id: str) -> None:
        caller = Principal("test", ("capture",), ("*",), ("*",), "id")
        evidence = build(self.settings)
        order = evidence.capture(CaptureRequest(run_id=run_id), caller)
        enqueuer(self.settings)(order.id)

    def work(self) -> None:
        self.worker = start(self.home, "--captures", "1", "worker", **self.env)

    def rest(self) -> None:
        if self.worker is not None:
            end(self.worker)

    def rows(self, table: str, where: str = "1 = 1") -> int:
        with self.database.reading() as connection:
            query = text(f"SELECT count(*) FROM {table} WHERE {where}")
            return connection.execute(query).scalar_one()


@pytest.fixture
def world(tmp_path, mlflow_url):
    with authority(tmp_path / "tsa") as tsa:
        made = World(tmp_path / "home", mlflow_url, tsa)
        yield made
        made.rest()
        made.database.dispose()


def test_a_slow_authority_holds_no_capture_up_and_is_caught_up_with(world, maker):
    world.tsa.meddle = lambda query: time.sleep(9) or (503, b"")
    for _ in range(3):
        world.order(maker.run())
    world.work()
    until(lambda: world.rows("captures", DONE) == 3 and world.tsa.asked, 60)
    assert world.rows("timestamps") == 0
    assert len(world.tsa.asked) == 1  # it had not answered once when all three were done
    log = world.home.parent / "home.log"
    until(lambda: "timestamps are lacking until the next try" in log.read_text(), 60)
    assert world.tsa.url in log.read_text()
    world.rest()
    world.tsa.meddle = None
    world.work()  # its first sweep, as the one of each minute
    until(lambda: world.rows("timestamps") == world.rows("statements") == 9, 60)


def test_a_capture_is_stamped_at_once_and_verifies_by_command(world, maker, tmp_path):
    world.work()
    run_id = maker.run()
    world.order(run_id)
    until(lambda: world.rows("timestamps") == 3, 60)
    env = {f"EVIDENCE_SERVICE_{k}": v for k, v in {"HOME": str(world.home), **world.env}.items()}
    file, key = str(tmp_path / "a.zip"), str(world.home / "public-key.pem")
    saved = cli("archive", f"runs/{run_id}", "--save", file, **env)
    assert saved.returncode == 0, saved.stderr
    for given, code, unproven in (
        (["--tsa", str(world.tsa.chain)], 0, False),
        (["--tsa", str(world.tsa.own), "--tsa", str(world.tsa.root)], 0, False),
        ([], 0, True),
        (["--tsa", str(Authority(tmp_path / "other").chain)], 3, False),
    ):
        done = cli("verify", file, "--key", key, *given, "-o", "json")
        assert done.returncode == code, done.stdout + done.stderr
        report = json.loads(done.stdout)
        assert any(one.startswith("time") for one in report["unproven"]) is unproven
        assert {one["code"] for one in report["checks"]} == {None, *["bad-timestamp"] * (code == 3)}
    done = cli("verify", file, "--key", key, "--tsa", str(world.tsa.root))
    assert done.returncode == 7
    assert "timeStamping" in done.stderr


def test_without_an_authority_nobody_is_asked(world, maker):
    world.env.pop("TIMESTAMP_URL")
    world.work()
    world.order(maker.run())
    until(lambda: world.rows("captures", DONE) == 1, 60)
    assert (world.rows("timestamps"), world.tsa.asked) == (0, [])


def test_a_wrong_address_is_said_at_the_start(tmp_path):
    env = {"TRACKING_URI": "http://127.0.0.1:9", "TIMESTAMP_URL": "tsa.example"}
    process = start(tmp_path / "home", "--port", str(free_port()), "prepare", **env)
    assert process.wait(60) == 2
    assert "TIMESTAMP_URL is no web address" in (tmp_path / "home.log").read_text()
