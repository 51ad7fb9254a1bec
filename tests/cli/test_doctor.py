"""`doctor` in programs of their own: what it says of stamping where it works, and where not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from mlflow_evidence_plugin import tags
from mlflow_evidence_plugin.cli import checks
from mlflow_evidence_plugin.client import EvidenceClient
from mlflow_evidence_plugin.context.liveness import NEWEST, OLDEST, release
from mlflow_evidence_plugin.errors import Forbidden, NoPolicy

PROGRAM = Path(sys.executable).with_name("mlflow-evidence")
ROOT = Path(__file__).parents[2]
PATHS = ("fluent runs", "client runs", "resumed runs", "logged models")


@pytest.fixture
def doctor(tmp_path):
    """Runs it in `tmp_path`; `site` is what Python does there before it starts."""

    def run(*words: str, site: str = "", **env: str) -> tuple[int, dict[str, dict[str, str]]]:
        (tmp_path / "site").mkdir(exist_ok=True)
        (tmp_path / "site" / "sitecustomize.py").write_text(textwrap.dedent(site))
        mine = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LANG": "C.UTF-8"}
        mine |= {"MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONPATH": str(tmp_path / "site"), **env}
        command = [PROGRAM, "doctor", "-o", "json", *words]
        done = subprocess.run(
            command, env=mine, cwd=tmp_path, capture_output=True, text=True, timeout=120
        )
        assert "Traceback" not in done.stderr, done.stderr
        checks = json.loads(done.stdout)
        assert all(set(check) == {"name", "state", "found", "mend"} for check in checks)
        assert all(check["mend"] for check in checks if check["state"] in ("fail", "warn"))
        return done.returncode, {check["name"]: check for check in checks}

    return run


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> str:
    """A local store that is there."""
    folder = tmp_path_factory.mktemp("store")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    env = {**os.environ, "MLFLOW_TRACKING_URI": uri, "MLFLOW_DISABLE_TELEMETRY": "true"}
    code = "import mlflow; mlflow.search_experiments()"
    subprocess.run([sys.executable, "-c", code], env=env, cwd=folder, check=True, timeout=120)
    return uri


def test_on_a_local_store_every_path_is_live_and_there_are_no_headers(doctor, store):
    code, checks = doctor(MLFLOW_TRACKING_URI=store)
    assert code == 0
    assert [checks[name]["state"] for name in PATHS] == ["ok"] * 4, checks
    assert checks["client runs"]["found"] == "stamped: create_run of SqlAlchemyStore is watched"
    assert checks["headers"]["state"] == checks["environment artifact"]["state"] == "skipped"
    assert checks["mlflow"]["state"] == "ok"
    assert "azure ml job" not in checks


def test_on_a_server_requests_have_the_header(doctor, mlflow_url):
    env = {"EVIDENCE_OWNER": "jo", "EVIDENCE_LOG_ENVIRONMENT": "1"}
    code, checks = doctor("--tracking-uri", mlflow_url, **env)
    assert code == 0
    assert [checks[name]["state"] for name in PATHS] == ["ok"] * 4, checks
    assert checks["client runs"]["found"] == "stamped: create_run of RestStore is watched"
    assert checks["headers"]["found"] == "X-Mlflow-Evidence: owner=jo"
    assert checks["environment artifact"]["state"] == "ok"


def test_a_server_that_does_not_answer_is_another_matter_than_stamping(doctor):
    code, checks = doctor(MLFLOW_TRACKING_URI="http://127.0.0.1:1", EVIDENCE_OWNER="jo")
    assert code == 1
    assert checks["tracking store"]["state"] == "fail"
    assert [checks[name]["state"] for name in PATHS] == ["ok"] * 4


def test_every_tag_has_its_value_and_its_source(doctor, store, tmp_path):
    (tmp_path / "evidence.toml").write_text('[governance]\nowner = "jo"\nteam = "https://a:b@c"\n')
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for words in (["init", "-qb", "main"], ["add", "evidence.toml"], ["commit", "-qm", "first"]):
        subprocess.run([*git, *words], cwd=tmp_path, check=True)
    env = {"EVIDENCE_IMAGE": "train:1", "GITHUB_ACTIONS": "true", "GITHUB_RUN_ID": "77"}
    _, checks = doctor(MLFLOW_TRACKING_URI=store, EVIDENCE_TICKET="C-1", **env)
    names = [name.removeprefix(tags.PREFIX) for name in tags.ORDER]
    assert [name for name in checks if name in names] == names
    assert checks["owner"]["found"] == f"jo  (from {tmp_path / 'evidence.toml'})"
    assert checks["ticket"]["found"] == "C-1  (from EVIDENCE_TICKET)"
    assert checks["git.branch"]["found"] == "main  (from git)"
    assert checks["ci.run"]["found"] == "77  (from CI)"
    assert checks["image"]["found"] == "train:1  (from EVIDENCE_IMAGE)"
    assert "installed distributions" in checks["env.digest"]["found"]
    assert (checks["team"]["state"], checks["team"]["found"]) == ("skipped", "not set")
    assert "looks like a credential" in checks["governance"]["found"]
    assert "a:b" not in json.dumps(checks)
    assert checks["rollback"]["state"] == "warn"
    assert "azureml" in checks["azureml.workspace"]["mend"]


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"EVIDENCE_DISABLED": "1"}, "EVIDENCE_DISABLED"),
        ({"_MLFLOW_SERVER_FILE_STORE": "sqlite:///x"}, "mlflow server"),
    ],
)
def test_switched_off_is_a_warning_of_each_path(doctor, store, env, said):
    code, checks = doctor(MLFLOW_TRACKING_URI=store, **env)
    assert code == 0
    for name in ("plugin", *PATHS):
        assert checks[name]["state"] == "warn" and said in checks[name]["found"], checks[name]


def test_a_seam_that_has_moved_fails_the_paths_that_need_it(doctor, store):
    site = """
    from mlflow_evidence_plugin.context import seams
    seams.install = lambda: None
    """
    code, checks = doctor(MLFLOW_TRACKING_URI=store, site=site)
    assert code == 1
    assert checks["fluent runs"]["state"] == "ok"
    for name in ("client runs", "resumed runs", "logged models"):
        assert checks[name]["state"] == "fail", checks[name]
        assert "not stamped" in checks[name]["found"]


def test_a_plugin_that_mlflow_did_not_take_is_found(doctor, mlflow_url):
    site = """
    import mlflow_evidence_plugin.context.provider as provider
    class Broken:
        def __init__(self):
            raise ImportError("not here")
    for name in ("EvidenceContextProvider", "EvidenceHeaderProvider"):
        real = getattr(provider, name)
        setattr(provider, name, Broken)
        import mlflow.tracking.context.registry, mlflow.tracking.request_header.registry
        setattr(provider, name, real)
    """
    code, checks = doctor(MLFLOW_TRACKING_URI=mlflow_url, site=site)
    assert code == 1
    assert checks["fluent runs"]["state"] == checks["client runs"]["state"] == "fail"
    assert "has not registered" in checks["fluent runs"]["found"]


def test_another_library_that_takes_the_store_away_is_found(doctor, store):
    site = """
    import mlflow
    from mlflow.tracking._tracking_service.utils import _tracking_store_registry as registry
    del registry.get_store
    """
    code, checks = doctor(MLFLOW_TRACKING_URI=store, site=site)
    assert code == 1
    assert checks["client runs"]["state"] == "fail"


def test_a_local_store_that_is_not_there_is_not_made(doctor, tmp_path):
    code, checks = doctor(MLFLOW_TRACKING_URI=f"sqlite:///{tmp_path / 'new.db'}")
    assert code == 0
    assert not (tmp_path / "new.db").exists()
    assert checks["tracking store"]["state"] == "warn"
    assert checks["client runs"]["state"] == "skipped"


def test_a_store_that_was_named_is_not_asked_for_again(doctor, tmp_path):
    _, checks = doctor("--tracking-uri", f"sqlite:///{tmp_path / 'new.db'}")
    for name in PATHS[1:]:
        assert checks[name]["state"] == "skipped"
        assert "MLFLOW_TRACKING_URI" not in checks[name]["mend"], checks[name]
        assert "log a first run" in checks[name]["mend"]


def test_the_policy_is_the_services_own_where_one_is_named(doctor, service, serving, tokens):
    asked = {"EVIDENCE_URL": serving(service.app()), "EVIDENCE_SERVICE_HOME": str(service.home)}
    _, checks = doctor(EVIDENCE_TOKEN=tokens.reader, **asked)
    assert checks["service policy"]["state"] == "ok"
    assert checks["service policy"]["found"] == service.evidence.deciding.policy.digest
    if "policy" in checks:  # with the database of this home only
        assert checks["policy"]["state"] == "skipped"
        assert "this shell" in checks["policy"]["found"]


def test_without_a_service_the_policy_is_said_to_be_this_shells(doctor, service):
    _, checks = doctor(EVIDENCE_SERVICE_HOME=str(service.home))
    assert checks["policy"]["state"] == "warn"
    assert "this shell" in checks["policy"]["found"]


@pytest.mark.parametrize(
    ("error", "state", "said"),
    [
        (NoPolicy("none"), "warn", "allows no release"),
        (Forbidden("no"), "skipped", "may not"),
    ],
)
def test_a_service_without_a_policy_or_that_tells_none_is_said(monkeypatch, error, state, said):
    def refuse(_):
        raise error

    monkeypatch.setenv("EVIDENCE_TOKEN", "mle_x")
    monkeypatch.setattr(EvidenceClient, "check", lambda _: None)
    monkeypatch.setattr(EvidenceClient, "policy", refuse)
    found = list(checks.service(checks.Place("http://127.0.0.1:1", None)))[1]
    assert (found.name, found.state) == ("service policy", state)
    assert said in found.found and found.mend


def test_without_a_store_what_can_be_said_is_said_and_nothing_is_made(doctor, tmp_path):
    code, checks = doctor()
    assert code == 0
    assert checks["fluent runs"]["state"] == "ok"
    assert checks["client runs"]["state"] == checks["resumed runs"]["state"] == "skipped"
    assert {one.name for one in tmp_path.iterdir()} == {"site"}


@pytest.mark.parametrize(
    ("version", "live"),
    [
        ("2.21.3", False),
        (OLDEST + ".0", True),
        ("3.1.0rc1", True),
        (NEWEST + ".9", True),
        ("3.99.0", False),
        ("4.0", False),
        ("", False),
    ],
)
def test_a_release_that_no_test_covers_is_told(version, live):
    assert release(version).live is live


def test_the_newest_release_is_the_one_that_the_tests_run_on():
    pinned = (ROOT / "constraints.txt").read_text()
    assert f"\nmlflow-skinny=={NEWEST}." in pinned
