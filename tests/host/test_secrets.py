"""No credential becomes a tag or a header: planted ones are looked for, byte by byte."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from mlflow_evidence_plugin.context.secrecy import (
    SHAPES,
    looks_secret,
    public_image,
    public_remote,
)
from mlflow_evidence_plugin.tags import GOVERNANCE, HEADER
from tests.servers import Recorded

from .conftest import clean
from .planted import CORPUS, SECRETS, cases, forms

PROGRAM = """
import json, os, subprocess, sys
import mlflow, mlflow.store.tracking.sqlalchemy_store

def git(*words):
    subprocess.run(["git", *words], check=True, capture_output=True)

git("init", "-q", "-b", "main")
git("-c", "user.name=x", "-c", "user.email=x@y", "commit", "-qm", "x", "--allow-empty")
git("remote", "add", "origin", "x")
for case in json.load(open("../cases.json")):
    git("config", "remote.origin.url", case["remote"])
    git("branch", "-M", case["branch"])
    with open("evidence.toml", "w") as file:
        file.write(case["toml"])
    pid = os.fork()  # whose memory is empty, as that of any new process
    if not pid:
        before = dict(os.environ)
        try:
            for variables in case["runs"]:
                os.environ.clear()
                os.environ.update(before | variables)
                with mlflow.start_run():
                    mlflow.log_metric("auc", 0.9)
            mlflow.MlflowClient().create_run("0")
            with mlflow.start_run(run_id=os.environ["BARE"]):
                mlflow.log_text("kept", "notes.txt")
        finally:
            sys.stdout.flush()
            os._exit(sys.exc_info()[0] is not None)
    assert os.waitpid(pid, 0)[1] == 0
"""
CASES = cases(GOVERNANCE)


@pytest.fixture(params=["sqlite", "http"])
def left(request, tmp_path, database) -> tuple[bytes, bytes, str]:
    """All bytes of a store and of the requests to it after the programs, and what they said."""
    (tmp_path / "store").mkdir()
    db = Path(shutil.copy(database, tmp_path / "store" / "mlflow.db"))
    if request.param == "sqlite":
        said = programs(tmp_path, f"sqlite:///{db}")
        return everything(tmp_path / "store", tmp_path / "work" / "mlruns"), b"", said
    proxy, seen = request.getfixturevalue("server")
    seen.clear()
    said = programs(tmp_path, proxy)
    requests = b"\n".join(map(sent, seen))
    assert HEADER.encode() in requests
    return everything(request.getfixturevalue("server_folder")), requests, said


def sent(request: Recorded) -> bytes:
    """A request's path, headers and body, without what MLflow signs in with."""
    said = [f"{k}: {v}" for k, v in request.headers.items() if k != "Authorization"]
    return "\n".join([request.path, *said]).encode() + b"\n" + request.body


def test_no_planted_credential_is_told(left):
    store, requests, said = left
    assert store.count(b"evidence.schema") >= len(SECRETS)
    found = {
        f"{secret} in the {place}"
        for place, content in (("store", store), ("requests", requests), ("output", said.encode()))
        for secret in SECRETS
        for form in forms(secret)
        if form in content
    }
    assert not found


def test_the_search_would_find_them():
    planted = json.dumps([asdict(case) for case in CASES]).encode()
    assert len(set(SECRETS)) == len(SECRETS)
    assert all(any(form in planted for form in forms(secret)) for secret in SECRETS)


@pytest.mark.parametrize("shape", SHAPES)
def test_each_shape_is_planted(shape):
    pattern = re.compile(SHAPES[shape], re.IGNORECASE)
    assert [form for secret, form in CORPUS.values() if pattern.search(form.format(secret))]


@pytest.mark.parametrize("kind", CORPUS)
def test_each_planted_one_is_seen(kind):
    secret, form = CORPUS[kind]
    assert looks_secret(form.format(secret))


def programs(folder: Path, uri: str) -> str:
    """A process for each case."""
    work = folder / "work"
    work.mkdir()
    (folder / "cases.json").write_text(json.dumps([asdict(case) for case in CASES]))
    env = clean(folder) | {"MLFLOW_TRACKING_URI": uri, "BARE": bare(work, folder, uri)}
    # From its standard input: MLflow tells branch and remote of a script as they are. Here only
    # we could, who then ask for the working directory's.
    done = subprocess.run(
        [sys.executable, "-"],
        input=PROGRAM,
        cwd=work,
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def bare(work: Path, folder: Path, uri: str) -> str:
    """A run that nobody has stamped."""
    code = "import mlflow; print(mlflow.MlflowClient().create_run('0').info.run_id)"
    env = clean(folder) | {"MLFLOW_TRACKING_URI": uri, "EVIDENCE_DISABLED": "1"}
    done = subprocess.run([sys.executable, "-c", code], cwd=work, env=env, capture_output=True)
    return done.stdout.decode().split()[-1]


def everything(*folders: Path) -> bytes:
    """The bytes of every file, and the names."""
    files = [file for folder in folders for file in sorted(folder.rglob("*")) if file.is_file()]
    assert files
    return b"\n".join(str(file).encode() + b"\n" + file.read_bytes() for file in files)


@pytest.mark.parametrize(
    ("reference", "shown"),
    [
        ("registry.example.org:5000/team/x:1", "registry.example.org:5000/team/x:1"),
        ("x@sha256:" + "0" * 64, "x@sha256:" + "0" * 64),
        ("jo:pw@registry/x@sha256:" + "0" * 64, "registry/x@sha256:" + "0" * 64),
        ("docker://jo:p@w@registry:5000/x:1", "registry:5000/x:1"),
        ("jo:p/w@registry/x:1", None),
        ("jo:pw@x", None),
        ("registry/x:1 --password pw", None),
    ],
)
def test_an_image_is_shown_without_credentials(reference, shown):
    assert public_image(reference) == shown


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("git@git.example.org:x.git", "git@git.example.org:x.git"),
        ("glpat-made-up@git.example.org:x.git", "git.example.org:x.git"),
        ("jo:pw@git.example.org:x.git", None),
    ],
)
def test_of_a_remotes_user_only_git_is_shown(address, shown):
    assert public_remote(address) == shown


@pytest.mark.parametrize(
    "value",
    [
        "https://wiki.example.org:8443/@team/release?page=4711&code=12",
        "https://medium.example.org/@jo/notes",
        "Token: ask jo@example.org",
        "basic understanding of passwords",
        "secret santa; rotate the keys on Monday",
        "sha256:" + "ab" * 32,
        "jo@example.org",
    ],
)
def test_what_people_write_is_kept(value):
    assert not looks_secret(value)


def test_no_value_takes_long():
    units = (
        "://:",
        "http://:",
        "://a:",
        "a:",
        "x",
        "sk-",
        "eyJ",
        "SG.",
        "password",
        "A",
        "%25",
        "?&;",
    )
    looks_secret.cache_clear()
    began = time.process_time()
    for unit in units:
        looks_secret((unit * 1_000)[:1_000])
    assert time.process_time() - began < 0.1 * len(units)
