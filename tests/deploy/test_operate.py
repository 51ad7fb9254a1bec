"""docs/operate.md: its commands are run, as they stand there; its numbers are the code's."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from api import __main__ as service
from api.contract import SETTINGS
from api.resources.captures import WAIT_LIMIT
from mlflow_evidence_plugin.service.capture import ATTEMPTS
from mlflow_evidence_plugin.settings import DEFAULT_HOME, SCRATCH_BYTES

from ..servers import free_port
from .dockerfile import ROOT, stages

PAGE = (ROOT / "docs/operate.md").read_text()
SECONDS = 240
Run = Callable[..., subprocess.CompletedProcess[str]]


def blocks(name: str) -> str:
    """Every block of a scenario, in the page's order, as one script."""
    found = re.findall(rf"^```sh run={name}\n(.*?)^```$", PAGE, re.M | re.S)
    assert found, name
    return "\n".join(found)


@pytest.fixture
def run(tmp_path, mlflow_url, world) -> Run:
    """Runs a script in a home of its own; the page's addresses become those of this test."""
    for name in ("api", "examples"):
        (tmp_path / name).symlink_to(ROOT / name)
    port = free_port()

    def start(script: str, **replaced: str) -> subprocess.CompletedProcess[str]:
        replaced = {
            "http://127.0.0.1:5000": mlflow_url,
            "--port 8080": f"--port {port}",
            "127.0.0.1:8080": f"127.0.0.1:{port}",
            "sleep 1": "sleep 0.1",
            **replaced,
        }
        for said, meant in replaced.items():
            assert said in script, said
            script = script.replace(said, meant)
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "EVIDENCE_"))}
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        process = subprocess.Popen(
            ["sh", "-eu", "-c", script],
            cwd=tmp_path,
            env={**kept, "HOME": str(tmp_path), "PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            out, err = process.communicate(timeout=SECONDS)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        return subprocess.CompletedProcess(script, process.returncode, out, err)

    return start


def test_one_machine_from_the_first_start_to_the_last(run, tmp_path):
    script = blocks("one-machine")
    # Between the token's making and the backup: some evidence, by the first token.
    captured = """
curl -fsS -H "Authorization: Bearer $(cat "$EVIDENCE_SERVICE_HOME/token")" \\
    -H 'Content-Type: application/json' -H 'Prefer: wait=30' \\
    -d '{"model": "credit", "alias": "candidate"}' http://127.0.0.1:8080/v1/captures
"""
    asked = """
curl -fsS -H "Authorization: Bearer $DEPLOYER" -o "$HOME/WHEN.json" \\
    http://127.0.0.1:8080/v1/models/credit/aliases/candidate/evidence
cp "$EVIDENCE_SERVICE_HOME/public-key.pem" "$HOME/WHEN.pem"
"""
    first, list_, rest = script.partition("mlflow-evidence token list\n")
    kill = rest.index('kill "$SERVICE"')
    last = rest.rindex('kill "$SERVICE"')
    rest = (
        rest[:kill] + asked.replace("WHEN", "before") + rest[kill:last]
        + asked.replace("WHEN", "after") + rest[last:]
    )  # fmt: skip
    done = run(first + list_ + captured + rest)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    before, after = (json.loads((tmp_path / f"{x}.json").read_text()) for x in ("before", "after"))
    for name in ("digest", "statements"):
        assert before[name] == after[name]
    assert (tmp_path / "before.pem").read_bytes() == (tmp_path / "after.pem").read_bytes()
    assert not (tmp_path / DEFAULT_HOME.removeprefix("~/")).exists()


def test_postgresql_with_two_workers_from_this_page_alone(run, tmp_path, postgres_url):
    stranger = """
curl -sS -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $DEPLOYER" \\
    http://127.0.0.1:8080/v1/models/vault/aliases/production/evidence > foreign
"""
    script = blocks("postgresql")
    at = script.index('kill "$WEB"')
    url = {"postgresql://evidence@db.example.org/evidence": postgres_url}
    dump = blocks("postgresql-backup")
    done = run(script[:at] + stranger + dump + script[at:], **url)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    assert (tmp_path / "foreign").read_text() == "404"
    assert (tmp_path / "evidence.dump").read_bytes().startswith(b"PGDMP")
    restored = _restore(tmp_path / "evidence.dump", postgres_url)
    assert restored > 0


@pytest.fixture(scope="module")
def postgres_url(tmp_path_factory):
    from ..postgres import postgres

    with postgres(tmp_path_factory.mktemp("postgresql")) as server:
        binaries = str(server._server.bin_path)
        with pytest.MonkeyPatch.context() as patch:
            # pg_dump must be of the server's version.
            patch.setenv("PATH", f"{binaries}:{os.environ['PATH']}")
            yield server.new_database()


def _restore(dump: Path, url: str) -> int:
    """How many records of evidence a restored copy holds."""
    import psycopg
    from sqlalchemy import make_url

    other = make_url(url).set(database="restored").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE restored")
    command = ["pg_restore", "--no-owner", f"--dbname={other}", dump]
    subprocess.run(command, check=True, capture_output=True)
    with psycopg.connect(other) as connection:
        row = connection.execute("SELECT count(*) FROM records").fetchone()
        return int(row[0]) if row else 0


def default(what: str) -> str:
    found = re.search(rf"^\| {re.escape(what)} \| (.*) \|$", PAGE, re.M)
    assert found, what
    return found[1]


def test_the_defaults_are_those_of_the_code():
    image = stages((ROOT / "Dockerfile").read_text())[-1]
    options = {one.name: one.default for one in service.main.params}
    assert default("home") == f"`{DEFAULT_HOME}`; in the image `{image.last('VOLUME').text}`"
    bound = image.last("ENTRYPOINT").command()[-1]
    assert default("address") == f"`{options['host']}`; in the image `{bound}`"
    assert default("port") == str(options["port"]) == image.last("EXPOSE").text
    assert default("web processes × threads") == f"{options['web_workers']} × {options['threads']}"
    assert default("captures at a time, for each worker") == str(options["captures"])
    assert default("time to stop") == f"{service.GRACE} s"
    assert default("request body") == f"{SETTINGS['MAX_CONTENT_LENGTH'] >> 20} MiB at the most"
    assert default("`Prefer: wait=N`") == f"{WAIT_LIMIT} s at the most"
    assert default("scratch space for downloads") == f"{SCRATCH_BYTES >> 30} GiB"
    assert default("tries of a capture") == str(ATTEMPTS)


def test_each_command_that_is_named_exists():
    from mlflow_evidence_plugin.cli import main, operate, token

    main.add_commands()
    groups = {"db": operate.db, "key": operate.key, "token": token.token}
    named = re.findall(r"(?<![\w/.-])mlflow-evidence ([a-z]+)(?: ([a-z]+))?", PAGE)
    assert len(named) > 10
    for command, below in named:
        if command in groups:
            assert below in groups[command].commands, (command, below)
        else:
            assert command in main.cli.commands, command


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_the_unit_is_one_that_systemd_takes(tmp_path):
    unit = (ROOT / "deploy/systemd/mlflow-evidence.service").read_text()
    stop = re.search(r"TimeoutStopSec=(\d+)", unit)
    assert stop and int(stop[1]) > service.GRACE + 5
    # The program and its user are not installed where this is tested.
    unit = re.sub(r"ExecStart=\S+", "ExecStart=/bin/true", unit).replace(
        "User=evidence", "User=root"
    )
    (tmp_path / "mlflow-evidence.service").write_text(unit)
    command = ["systemd-analyze", "verify", "--man=no", tmp_path / "mlflow-evidence.service"]
    done = subprocess.run(command, capture_output=True, text=True)
    ours = [line for line in done.stderr.splitlines() if "mlflow-evidence.service" in line]
    assert not ours, done.stderr
