"""Training survives whatever it is put into: its variables, and the files beside it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from .conftest import TRAIN

REPORTED = TRAIN + "report(run.info.run_id)"
GOOD = "[governance]\nowner = 'jo'\n"

VARIABLES = {
    "newline": {"EVIDENCE_OWNER": "a\nb"},
    "carriage-return": {"EVIDENCE_OWNER": "a\r"},
    "escape": {"EVIDENCE_OWNER": "\x1b[2J\x01"},
    "emoji": {"EVIDENCE_OWNER": "🚀" * 400},
    "not-utf8": {"EVIDENCE_OWNER": b"\xff\xfe"},
    "100kB": {"EVIDENCE_OWNER": "x" * 100_000, "GITHUB_ACTIONS": "1", "GITHUB_SHA": "y" * 100_000},
    "config-missing": {"EVIDENCE_CONFIG": "/nowhere/at/all"},
    "config-directory": {"EVIDENCE_CONFIG": "/"},
    "config-device": {"EVIDENCE_CONFIG": "/dev/zero"},
    "config-long": {"EVIDENCE_CONFIG": "x" * 100_000},
}
UNHEARD = {"emoji", "carriage-return"}
"""Odd, but what is left without blanks around it is a value that every store takes."""


@pytest.mark.parametrize("case", VARIABLES)
def test_variables(twice, case):
    left = twice(VARIABLES[case], own=False)
    assert left.tags[0]["evidence.schema"] == "1"
    assert len(left.warnings) == (case not in UNHEARD)


MACHINES = {
    "no-home": {"HOME": None},
    "no-language": {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "EVIDENCE_TEAM": "Zoë"},
    "git-elsewhere": {"GIT_DIR": "/nowhere", "GIT_TRACE": "1"},
}


@pytest.mark.parametrize("case", MACHINES)
def test_variables_that_mlflow_reads_too(twice, case):
    left = twice(MACHINES[case], most=case == "no-language")
    assert left.tags[0]["evidence.schema"] == "1"


FILES = {
    "directory": lambda path: path.mkdir(),
    "fifo": os.mkfifo,
    "binary": lambda path: path.write_bytes(bytes(range(256))),
    "nul": lambda path: path.write_text('[governance]\nowner = "a\\u0000b"\n'),
    "100kB": lambda path: path.write_text("[governance]\nowner = '" + "x" * 50_000 + "'\n"),
    "huge": lambda path: path.write_text("#" * 10_000_000),
    "unreadable": lambda path: (path.write_text(GOOD), path.chmod(0)),
    "broken": lambda path: path.write_text("[governance\nowner = "),
    "deep": lambda path: path.write_text("a = " + "[" * 60_000),
    "loop": lambda path: path.symlink_to(path),
}
POWERLESS = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
"""Root, to whom a file may be unreadable."""


@pytest.mark.parametrize("case", FILES)
def test_files(twice, case):
    before = POWERLESS if case == "unreadable" and os.geteuid() == 0 else ()
    if before and not shutil.which(before[0]):
        pytest.skip("to root every file is readable, and there is no setpriv")
    left = twice(
        {"EVIDENCE_TEAM": "risk"},
        prepare=lambda work: FILES[case](work / "evidence.toml"),
        own=False,
        before=before,
    )
    assert left.tags[0]["evidence.team"] == "risk"
    assert "evidence.owner" not in left.tags[0]
    assert len(left.warnings) == 1
    assert "evidence.toml" in left.warnings[0]


def test_a_file_of_another_user(run):
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    (run.work / "evidence.toml").write_text(GOOD)
    os.chown(run.work / "evidence.toml", 4242, 4242)
    done = run(REPORTED)
    assert "evidence.owner" not in done.tags[0]
    assert "another user" in done.warnings[0]


def test_one_warning_per_process_and_never_the_value(run):
    script = """
    import mlflow
    for _ in range(3):
        with mlflow.start_run() as run: pass
    report(run.info.run_id)
    """
    done = run(script, {"EVIDENCE_OWNER": "hunter2\n" * 3, "EVIDENCE_TEAM": "https://u:hunter2@x"})
    assert set(done.tags[0]) & {"evidence.owner", "evidence.team"} == set()
    assert len(done.warnings) == 2
    assert "EVIDENCE_OWNER" in "".join(done.warnings)
    assert "EVIDENCE_TEAM" in "".join(done.warnings)
    assert "hunter2" not in done.err


def test_no_git(run):
    done = run(REPORTED, {"PATH": "/nowhere", "GIT_PYTHON_REFRESH": "quiet"})
    assert "evidence.git.commit" not in done.tags[0]
    assert done.warnings == []


def test_a_git_that_hangs(run, tmp_path):
    fake = tmp_path / "bin" / "git"
    fake.parent.mkdir()
    fake.write_text(f"#!/bin/sh\necho $$ >> {tmp_path}/pids\nsleep 600\n")
    fake.chmod(0o755)
    env = {
        "PATH": f"{fake.parent}:{os.environ['PATH']}",
        # MLflow asks git as well, and has no patience limit of its own.
        "GIT_PYTHON_GIT_EXECUTABLE": shutil.which("git"),
    }
    script = """
    import mlflow, time
    mlflow.search_experiments()
    began = time.monotonic()
    from mlflow_evidence_plugin.context.provider import EvidenceContextProvider
    EvidenceContextProvider().tags()
    print("SECONDS", time.monotonic() - began)
    """
    done = run(script + REPORTED.replace("\n", "\n    "), env)
    assert done.tags[0]["evidence.schema"] == "1"
    seconds = float(done.out.partition("SECONDS ")[2].split()[0])
    assert seconds < 1.5
    assert done.seconds < 60
    pids = (tmp_path / "pids").read_text().split()
    assert len(pids) == 2
    assert not [pid for pid in pids if Path(f"/proc/{pid}/cmdline").exists()]


def test_a_read_only_home(run, tmp_path):
    home = tmp_path / "home"
    home.mkdir(mode=0o500)
    assert run(REPORTED, {"HOME": str(home)}).tags[0]["evidence.schema"] == "1"


def test_a_deleted_working_directory(run, tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    # MLflow needs the directory to open a store, and none after that.
    before = (
        f"import mlflow, os\nmlflow.search_experiments()\ndel __file__\nos.rmdir({str(gone)!r})"
    )
    assert run(before + REPORTED, cwd=gone).tags[0]["evidence.schema"] == "1"


def test_no_script_at_all(run):
    program = f"exec({REPORTED.replace('report(run.info.run_id)', '')!r}); print(run.info.run_id)"
    script = f"""
    import subprocess, sys
    done = subprocess.run([sys.executable, "-"], input={program!r}, text=True, capture_output=True)
    import mlflow
    report(done.stdout.split()[-1])
    """
    assert run(script, {"EVIDENCE_OWNER": "jo"}).tags[0]["evidence.owner"] == "jo"
