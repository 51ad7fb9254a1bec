"""The same run, the same bytes: on both databases, after a restart, under another hash seed."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import serve
from tests.contract.checked import Client

SECOND = "import sys; from mlflow_evidence_plugin.cli.main import main; sys.argv[0] = 'me'; main()"


@pytest.fixture(scope="module")
def homes(mlflow_url, postgres_server, tmp_path_factory):
    """Two services on one tracking store, each with a database and a home of its own."""
    made = {
        kind: serve(tmp_path_factory.mktemp(kind) / "home", mlflow_url, **env)
        for kind, env in {
            "sqlite": {},
            "postgres": {"DATABASE_URL": postgres_server.new_database()},
        }.items()
    }
    yield made
    for one in made.values():
        one.evidence.capturing.database.dispose()


def captured_again(service, subject: str, seed: str) -> str:
    """The digest that another process gives, which hashes otherwise, in another time zone."""
    settings = {
        "EVIDENCE_SERVICE_HOME": str(service.home),
        "EVIDENCE_SERVICE_DATABASE_URL": service.settings.database_url,
        "EVIDENCE_SERVICE_TRACKING_URI": service.settings.tracking_uri,
    }
    elsewhere = {"PYTHONHASHSEED": seed, "TZ": "Pacific/Auckland", "LC_ALL": "C"}
    done = subprocess.run(
        [sys.executable, "-c", SECOND, "capture", subject, "-o", "json"],
        env={**os.environ, **settings, **elsewhere},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["digest"]


@pytest.mark.parametrize("kind", ["run", "version"])
def test_an_unchanged_subject_has_one_digest(homes, world, kind):
    asked = {"run_id": world.planted}
    subject = f"runs/{world.planted}"
    if kind == "version":
        asked = {"model": "credit", "version": world.v_regressed}
        subject = f"models/credit/{world.v_regressed}"
    digests = set()
    for seed, service in enumerate(homes.values()):
        client = Client(service.app(), (service.home / "token").read_text().strip())
        digests |= {client.capture(**asked).json["digest"] for _ in range(2)}
        digests.add(captured_again(service, subject, str(seed)))
    assert len(digests) == 1
