"""The command line, each command in its own process, as a person or a pipeline runs it."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from werkzeug.serving import make_server

from api.app import create_app
from mlflow_evidence_plugin.render.formats import RENDERERS

PROGRAM = Path(sys.executable).with_name("mlflow-evidence")
ROOT = Path(__file__).parents[2]
TRAINING = """
import mlflow
with mlflow.start_run() as run:
    mlflow.log_param("password", "hunter2")
    mlflow.log_metric("auc", 0.9)
    mlflow.log_text("hello", "a b/ü.txt")
print(run.info.run_id)
"""


def cli(*words: str, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    mine = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "EVIDENCE_"))}
    mine |= {"MLFLOW_DISABLE_TELEMETRY": "true", "COLUMNS": "200", **env}
    return subprocess.run(
        [PROGRAM, *words], env=mine, cwd=cwd, capture_output=True, text=True, timeout=120
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cli")


@pytest.fixture(scope="module")
def store(home) -> dict[str, str]:
    """A local SQLite store, and a home for evidence beside it."""
    return {
        "MLFLOW_TRACKING_URI": f"sqlite:///{home / 'mlflow.db'}",
        "EVIDENCE_SERVICE_HOME": str(home / "home"),
    }


@pytest.fixture(scope="module")
def run_id(home, store) -> str:
    (home / "train.py").write_text(TRAINING)
    env = {**os.environ, **store, "MLFLOW_DISABLE_TELEMETRY": "true"}
    done = subprocess.run(
        [sys.executable, "train.py"], env=env, cwd=home, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[-1]


def test_straight_on_a_local_store_evidence_is_captured_saved_and_verified(home, store, run_id):
    captured = cli("capture", f"runs/{run_id}", "-o", "json", **store)
    assert captured.returncode == 0, captured.stderr
    record = json.loads(captured.stdout)["record"]
    assert list(record["outputs"]["facts"]) == ["a b/ü.txt"]
    assert "hunter2" not in captured.stdout
    assert record["subject"]["store"] == store["MLFLOW_TRACKING_URI"]

    kept = home / "evidence.json"
    shown = cli("show", f"runs/{run_id}", "-o", "table", "--save", str(kept), **store)
    assert "1 found and masked" in shown.stdout

    key = str(home / "home" / "public-key.pem")
    verified = cli("verify", str(kept), "--key", key, "-o", "json")
    assert verified.returncode == 0, verified.stderr
    assert json.loads(verified.stdout)["passed"] is True

    (home / "tampered.json").write_text(kept.read_text().replace('"0.9"', '"0.99"'))
    refused = cli("verify", str(home / "tampered.json"), "--key", key, "-o", "json")
    assert refused.returncode == 3
    assert json.loads(refused.stdout)["passed"] is False


def test_a_run_that_is_not_there_is_said_and_has_its_exit_code(store, run_id):
    done = cli("capture", "runs/absent", **store)
    assert (done.returncode, done.stdout) == (4, "")
    assert "error: the tracking store has no run absent" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_policy_nothing_is_decided(store, run_id):
    done = cli("decide", "models/credit/1", **store)
    assert done.returncode == 7
    assert "EVIDENCE_SERVICE_POLICY_FILE" in done.stderr


def test_verify_without_a_key_is_refused(home):
    (home / "any.json").write_text("{}")
    done = cli("verify", str(home / "any.json"))
    assert done.returncode == 3
    assert "--key" in done.stderr


@pytest.mark.parametrize("subject", ["", "nope", "runs/", "models/x", "models/x/", "runs/a/b"])
def test_a_subject_that_is_none_names_the_forms(subject):
    done = cli("show", subject)
    assert done.returncode == 2
    assert "models/NAME@ALIAS" in done.stderr


def test_without_service_and_store_it_says_what_to_set(home):
    done = cli("show", "runs/x", EVIDENCE_SERVICE_HOME=str(home / "unused"))
    assert done.returncode == 7
    assert "EVIDENCE_SERVICE_TRACKING_URI" in done.stderr


def test_doctor_finds_a_healthy_set_up(home, store, run_id):
    env = {f"EVIDENCE_{name}": "x" for name in ("OWNER", "TICKET", "ROLLBACK", "MONITORING")}
    done = cli("doctor", "-o", "json", cwd=home, **store, **env)
    checks = {check["name"]: check for check in json.loads(done.stdout)}
    assert done.returncode == 0, done.stdout
    assert checks["plugin"]["state"] == "ok"
    assert checks["owner"]["found"] == "x  (from EVIDENCE_OWNER)"
    assert checks["tracking store"]["state"] == "ok"
    assert checks["signing key"]["state"] == "ok"
    assert checks["policy"]["state"] == "warn"


def test_doctor_says_what_is_broken_and_how_to_mend_it(tmp_path):
    (tmp_path / "evidence.toml").write_text('[governance]\nownr = "x"\nticket = 1.5\n')
    home = tmp_path / "home"
    home.mkdir()
    (home / "signing-key.pem").write_text("rubbish")
    (home / "signing-key.pem").chmod(0o600)
    done = cli(
        "doctor",
        "-o",
        "json",
        cwd=tmp_path,
        MLFLOW_TRACKING_URI="http://127.0.0.1:1",
        MLFLOW_HTTP_REQUEST_MAX_RETRIES="0",
        EVIDENCE_URL="http://127.0.0.1:1",
        EVIDENCE_TOKEN="x",
        EVIDENCE_SERVICE_HOME=str(home),
    )
    assert done.returncode == 1
    checks = json.loads(done.stdout)
    failed = {check["name"] for check in checks if check["state"] == "fail"}
    assert failed == {"tracking store", "service", "service home"}
    assert all(check["mend"] for check in checks if check["state"] in ("fail", "warn"))
    said = " ".join(check["found"] for check in checks)
    assert "ownr" in said and "ticket" in said


def test_a_token_is_made_used_once_and_revoked(tmp_path):
    env = {"EVIDENCE_SERVICE_HOME": str(tmp_path)}
    made = cli(
        "token",
        "create",
        "--principal",
        "argo",
        "--scope",
        "evidence:read",
        "--model",
        "c*",
        "--experiment",
        "credit",
        **env,
    )
    assert made.returncode == 0, made.stderr
    token = made.stdout.strip()
    (listed,) = json.loads(cli("token", "list", "-o", "json", **env).stdout)
    assert listed["models"] == ["c*"] and listed["experiments"] == ["credit"]
    assert token not in json.dumps(listed)
    assert token.encode() not in (tmp_path / "evidence.db").read_bytes()
    assert cli("token", "revoke", listed["id"], **env).returncode == 0
    assert cli("token", "revoke", listed["id"], **env).returncode == 4


@pytest.mark.parametrize(
    "words",
    [
        ["--scope", "evidence:read", "--model", "*"],
        ["--scope", "everything", "--experiment", "*"],
        ["--experiment", "*"],
        ["--scope", "evidence:read", "--experiment", "*", "--days", "0"],
    ],
    ids=["no-glob", "unknown-scope", "no-scope", "no-days"],
)
def test_a_token_that_makes_no_sense_is_refused(tmp_path, words):
    env = {"EVIDENCE_SERVICE_HOME": str(tmp_path)}
    assert cli("token", "create", "--principal", "x", *words, **env).returncode == 2


@pytest.fixture(scope="module")
def service_url(service):
    """The service on a real socket."""
    evidence = service.evidence
    app = create_app(evidence, lambda order: evidence.capturing.perform(order) and None)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()


@pytest.fixture
def remote(service, service_url) -> dict[str, str]:
    token = (service.home / "token").read_text().strip()
    return {"EVIDENCE_URL": service_url, "EVIDENCE_TOKEN": token}


def test_against_the_service_a_version_is_captured_shown_and_decided(world, remote):
    alias = "models/credit@candidate"
    captured = cli("capture", alias, "-o", "json", **remote)
    assert captured.returncode == 0, captured.stderr
    assert json.loads(captured.stdout)["subject"] == f"models/credit/{world.v_regressed}"
    shown = json.loads(cli("show", alias, "-o", "json", **remote).stdout)
    assert shown["resolved"]["alias"] == "candidate"
    denied = cli("decide", alias, "-e", "prod", "-o", "table", **remote)
    assert denied.returncode == 1
    assert "no-regression" in denied.stdout and "mend:" in denied.stdout
    lab = cli("decide", alias, "-e", "lab", "-o", "json", **remote)
    assert lab.returncode == 0
    assert json.loads(lab.stdout)["allowed"] is True


@pytest.mark.parametrize("words", [["capture", "runs/x"], ["show", "runs/x"], ["stamp"]])
def test_where_nothing_is_named_the_service_is_what_to_name_first(tmp_path, words):
    done = cli(*words, HOME=str(tmp_path))
    assert done.returncode == 7
    mend = done.stderr.splitlines()[1]
    assert mend.index("EVIDENCE_URL and EVIDENCE_TOKEN") < mend.index("--tracking-uri")


def test_a_command_that_looks_at_a_store_alone_asks_for_that_alone(tmp_path):
    done = cli("run", "list", HOME=str(tmp_path))
    assert done.returncode == 7
    assert "--tracking-uri" in done.stderr and "EVIDENCE_URL" not in done.stderr


@pytest.mark.parametrize("form", [one.name for one in RENDERERS])
def test_evidence_is_shown_in_every_format_by_the_service_and_here(
    world, captured, remote, service, tmp_path, form
):
    subject = f"models/credit/{world.v_good}"
    served = cli("show", subject, "--format", form, **remote)
    assert served.returncode == 0, served.stderr
    here = {"EVIDENCE_SERVICE_HOME": str(service.home)}
    here["EVIDENCE_SERVICE_TRACKING_URI"] = service.settings.tracking_uri
    kept = cli("show", subject, "--format", form, "--save", str(tmp_path / "file"), **here)
    assert (kept.returncode, kept.stdout) == (0, ""), kept.stderr
    assert (tmp_path / "file").read_text("utf-8") == served.stdout
    assert captured.good in served.stdout or form in ("dsse", "in-toto")


def test_a_format_and_a_query_do_not_go_together(remote):
    done = cli("show", "runs/x", "--format", "json", "--query", "digest", **remote)
    assert done.returncode == 2 and "--query" in done.stderr


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"EVIDENCE_TOKEN": "mle_0123456789abcdef_wrong"}, 5),
        ({"EVIDENCE_TOKEN": ""}, 7),
        ({"EVIDENCE_TOKEN": "with\nnewline"}, 7),
        ({"EVIDENCE_URL": "http://127.0.0.1:1"}, 6),
        ({"EVIDENCE_URL": "not a url"}, 7),
    ],
    ids=["wrong-token", "no-token", "broken-token", "nobody-there", "no-url"],
)
def test_what_keeps_us_from_the_service_is_said(remote, changed, code):
    done = cli("show", "runs/x", **(remote | changed))
    assert done.returncode == code
    assert done.stderr.startswith("error: ")
    assert "mend: " in done.stderr


def test_what_is_no_evidence_service_is_said(mlflow_url):
    done = cli("show", "runs/x", EVIDENCE_URL=mlflow_url, EVIDENCE_TOKEN="x")
    assert done.returncode == 6
    assert "not an evidence service" in done.stderr


def test_the_help_of_every_command_works_without_the_extras():
    program = (
        "import sys\n"
        "for name in ('rich', 'sqlalchemy', 'securesystemslib', 'rfc8785', 'mlflow'):\n"
        "    sys.modules[name] = None\n"
        "from mlflow_evidence_plugin.cli.main import main\n"
        "sys.argv[0] = 'mlflow-evidence'\n"
        "main()\n"
    )
    for words in (["--help"], ["doctor", "--help"], ["token", "create", "--help"]):
        done = subprocess.run(
            [sys.executable, "-c", program, *words], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("words", "missing"),
    [
        (["capture", "runs/x", "--tracking-uri", "sqlite:///x.db"], "report"),
        (["verify", "README.md", "--key", "README.md"], "verify"),
        (["token", "list"], "report"),
    ],
)
def test_a_missing_extra_is_named(words, missing):
    program = (
        "import sys\n"
        "for name in ('rich', 'sqlalchemy', 'securesystemslib', 'cryptography', 'rfc8785'):\n"
        "    sys.modules[name] = None\n"
        "from mlflow_evidence_plugin.cli.main import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 7, done.stderr
    assert f"[{missing}]" in done.stderr


def test_looking_at_tokens_upgrades_no_schema(tmp_path):
    here = {"EVIDENCE_SERVICE_HOME": str(tmp_path)}
    assert cli("token", "list", **here).returncode == 0, "a new home gets its schema"
    with sqlite3.connect(tmp_path / "evidence.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '0001'")
    refused = cli("token", "list", **here)
    assert refused.returncode == 7 and "db upgrade" in refused.stderr


def test_a_password_in_the_query_of_a_database_url_is_not_shown(tmp_path):
    url = f"sqlite:///{tmp_path / 'e.db'}?password=hunter2"
    done = cli("db", "upgrade", EVIDENCE_SERVICE_DATABASE_URL=url, HOME=str(tmp_path / "home"))
    assert "hunter2" not in done.stdout + done.stderr
    assert not (tmp_path / "home").exists(), "another database needs no home"
