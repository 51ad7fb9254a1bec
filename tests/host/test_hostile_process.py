"""The same program ends the same way, whatever its process has been put into."""

from __future__ import annotations

import os
import shutil
import sys

import pytest

from .alike import PROGRAM, bare_run

BARE = "b" * 32
BAD = {"EVIDENCE_OWNER": "two\nlines", "EVIDENCE_TEAM": "risk"}
"""Which makes us speak: one warning."""


def test_runs_at_the_end_of_the_interpreter(twice):
    script = """
    import atexit, mlflow, sys, threading
    client = mlflow.MlflowClient()

    def train(name):
        client.set_terminated(client.create_run("0", run_name=name).info.run_id)

    class Last:
        def __del__(self):
            train("deleted")

    def at_exit():
        with mlflow.start_run(run_name="at exit"):
            mlflow.log_metric("m", 1)
        print("at exit", flush=True)

    def stay(begun):
        with mlflow.start_run(run_name="daemon"):
            begun.set()
            threading.Event().wait()

    one = Last(); del one
    last = Last()
    begun = threading.Event()
    threading.Thread(target=stay, args=(begun,), daemon=True).start()
    begun.wait()
    atexit.register(at_exit)
    with mlflow.start_run(run_name="exits"):
        sys.exit(3)
    """
    left = twice({"EVIDENCE_OWNER": "jo"}, script, most=0)
    assert left.code == 3
    assert {"deleted", "daemon", "exits", "at exit"} <= {run["name"] for run in left.runs}
    assert {tags["evidence.owner"] for tags in left.tags} == {"jo"}


def test_a_bare_run_that_is_resumed_at_exit(twice):
    script = f"""
    import atexit, mlflow
    def at_exit():
        with mlflow.start_run(run_id="{BARE}"):
            mlflow.log_metric("m", 1)
        print("at exit", flush=True)
    atexit.register(at_exit)
    """
    left = twice({}, script, lambda work: bare_run(twice.store, BARE), most=0)
    assert left.tags[0]["evidence.stamped_by"] == "resume"


def test_a_signal_within_a_run(twice):
    script = """
    import mlflow, os, signal
    with mlflow.start_run(run_name="ended"):
        print("trains", flush=True)
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()
    """
    left = twice({}, script)
    assert left.code == -15
    assert left.tags[0]["evidence.schema"] == "1"


def test_a_fork_with_threads_alive(twice):
    script = """
    import mlflow, os, threading
    stop = threading.Event()
    threads = [threading.Thread(target=stop.wait) for _ in range(4)]
    [thread.start() for thread in threads]
    mlflow.search_experiments()
    for name in ("parent", "child"):
        if name == "child" and (pid := os.fork()):
            print(os.waitpid(pid, 0)[1])
            break
        with mlflow.start_run(run_name=name):
            mlflow.log_metric("m", 1)
    stop.set()
    if name == "child" and not pid:
        os._exit(7)
    """
    left = twice(BAD, script, most=2)  # once per process
    assert [tags["evidence.team"] for tags in left.tags] == ["risk", "risk"]
    assert b"1792" in left.out


def test_no_streams_to_speak_to(twice):
    closed = ("sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh")
    left = twice(BAD, before=closed)
    assert left.code == 0, left.err
    assert left.tags[0]["evidence.team"] == "risk"
    script = "import sys\nsys.stdout = sys.stderr = None\n" + PROGRAM
    left = twice(BAD, script)
    assert left.code == 0, left.err
    assert left.tags[0]["evidence.team"] == "risk"


def test_a_log_handler_that_raises(twice):
    script = f"""
    import logging
    class Raises(logging.Handler):
        def emit(self, record):
            if "evidence" in record.name:
                raise OSError("disk full")
    logging.basicConfig(level=logging.DEBUG, handlers=[Raises()])
    for name in ("git", "urllib3", "mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    import mlflow
    from mlflow_evidence_plugin.context import machine
    machine.hostname.__code__ = (lambda host: 1 / 0).__code__
    with mlflow.start_run(run_id="{BARE}"):
        mlflow.log_metric("m", 1)
    mlflow.MlflowClient().create_run("0", run_name="one")
    print("ends")
    """
    left = twice(BAD, script, lambda work: bare_run(twice.store, BARE), most=0)
    assert left.code == 0, left.err
    assert [tags.get("evidence.team") for tags in left.tags] == ["risk", "risk"]


def test_python_without_assertions_and_docstrings(twice):
    left = twice(BAD, flags=("-OO",))
    assert left.code == 0, left.err
    assert list(left.artifacts.values()) == [b"kept"]
    assert left.tags[0]["evidence.team"] == "risk"


def test_warnings_that_are_errors(twice):
    # MLflow's own import would not survive it.
    strict = (
        "import mlflow, warnings\nmlflow.search_experiments()\nwarnings.simplefilter('error')\n"
    )
    left = twice(BAD, strict + PROGRAM, flags=("-X", "dev"))
    assert left.code == 0, left.err
    assert left.tags[0]["evidence.team"] == "risk"


def test_no_more_files_processes_and_threads(twice):
    script = f"""
    import os, resource, threading
    import mlflow
    mlflow.search_experiments()
    threading.stack_size(1 << 46)  # more than there is: no thread starts
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + FREE, free + FREE))
    with mlflow.start_run(run_id="{BARE}") as run:
        mlflow.log_metric("m", 1)
    print("ends")
    """
    script = script.replace("FREE", "2")
    left = twice({"EVIDENCE_OWNER": "jo"}, script, lambda work: bare_run(twice.store, BARE))
    assert left.code == 0, left.err
    assert left.tags[0]["evidence.owner"] == "jo"


@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("unshare"),
    reason="only root can make a file system read-only",
)
def test_a_read_only_file_system_without_proc(twice):
    mount = (
        'mount --bind "$0" "$0" && mount -t tmpfs none /proc && mount -o remount,ro,bind /'
        ' && cd "$0/work" && exec "$@"'
    )
    before = ("unshare", "-m", "sh", "-c", mount, str(twice.folder))
    env = {"EVIDENCE_OWNER": "jo", "HOME": "/nowhere", "TMPDIR": str(twice.folder)}
    left = twice(env, before=before, most=0)
    assert left.code == 0, left.err
    assert left.tags[0]["evidence.owner"] == "jo"
