from __future__ import annotations

import os
import sys
import threading
import types

import pytest

from mlflow_evidence_plugin import tags
from mlflow_evidence_plugin.context import host as host_module
from mlflow_evidence_plugin.context import process, sources
from mlflow_evidence_plugin.context.provider import EvidenceContextProvider, EvidenceHeaderProvider


@pytest.fixture(autouse=True)
def fresh(monkeypatch, tmp_path):
    monkeypatch.setattr(process, "_processes", {})
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("EVIDENCE_")]:
        monkeypatch.delenv(name)


def test_variables_count_at_each_run_and_in_the_header(monkeypatch):
    provider, requests = EvidenceContextProvider(), EvidenceHeaderProvider()
    monkeypatch.setenv("EVIDENCE_OWNER", "a")
    assert "owner=a" in requests.request_headers()[tags.HEADER]
    monkeypatch.setenv("EVIDENCE_OWNER", "b")
    assert provider.tags()["evidence.owner"] == "b"
    assert "owner=b" in requests.request_headers()[tags.HEADER]


def test_variables_are_only_read_again_when_one_has_changed(monkeypatch):
    first = host_module.refreshed(host_module.observe())
    assert host_module.refreshed(first) is first
    monkeypatch.setenv("EVIDENCE_OWNER", "a")
    second = host_module.refreshed(first)
    assert second.env["EVIDENCE_OWNER"] == "a"
    monkeypatch.delenv("EVIDENCE_OWNER")
    assert "EVIDENCE_OWNER" not in host_module.refreshed(second).env
    assert "EVIDENCE_OWNER" not in first.env


def test_variables_count_where_somebody_has_replaced_the_environment(monkeypatch):
    here = host_module.refreshed(host_module.observe())
    monkeypatch.setattr(os, "environ", {"EVIDENCE_OWNER": "b"})
    there = host_module.refreshed(here)
    assert there.env == {"EVIDENCE_OWNER": "b"}
    os.environ["EVIDENCE_OWNER"] = "c"
    assert host_module.refreshed(there).env == {"EVIDENCE_OWNER": "c"}


@pytest.mark.parametrize("value", ["1", "true", "YES", " 1 "])
def test_switched_off(monkeypatch, value):
    monkeypatch.setenv("EVIDENCE_OWNER", "a")
    monkeypatch.setenv("EVIDENCE_DISABLED", value)
    assert EvidenceContextProvider().tags() == {}
    assert EvidenceHeaderProvider().request_headers() == {}


@pytest.mark.parametrize("value", ["", "0", "false", "no"])
def test_not_switched_off(monkeypatch, value):
    monkeypatch.setenv("EVIDENCE_DISABLED", value)
    assert EvidenceContextProvider().tags()["evidence.schema"] == "1"


def test_a_server_stamps_nothing_with_its_own_identity(monkeypatch):
    monkeypatch.setenv(host_module.SERVER_MARK, "sqlite:///x")
    assert EvidenceContextProvider().tags() == {}


def test_a_caller_cannot_spoil_the_memory(monkeypatch):
    monkeypatch.setenv("EVIDENCE_OWNER", "a")
    provider, requests = EvidenceContextProvider(), EvidenceHeaderProvider()
    provider.tags().clear()
    assert provider.tags()
    requests.request_headers().clear()
    assert requests.request_headers()


@pytest.mark.parametrize("environ", [None, {}, {"EVIDENCE_OWNER": 3, 4: None}, object()])
def test_a_replaced_environ_costs_no_run(monkeypatch, environ):
    with monkeypatch.context() as replaced:
        replaced.setattr(os, "environ", environ)
        found = EvidenceContextProvider().tags()
        header = EvidenceHeaderProvider().request_headers()
    assert found["evidence.schema"] == "1"
    assert header == {}


@pytest.mark.parametrize("file", [None, 3, "", "\0", "/nowhere/x.py"])
def test_any_main_module(monkeypatch, file):
    monkeypatch.setitem(sys.modules, "__main__", types.SimpleNamespace(__file__=file))
    assert EvidenceContextProvider().tags()["evidence.schema"] == "1"


def test_a_script_is_at_home_in_its_directory_a_program_where_it_was_started(monkeypatch, tmp_path):
    main = types.SimpleNamespace(__file__=str(tmp_path / "src" / "train.py"))
    monkeypatch.setitem(sys.modules, "__main__", main)
    assert host_module.observe().start == (tmp_path / "src").resolve()
    main.__file__ = pytest.__file__
    assert host_module.observe().start == tmp_path.resolve()


def test_everything_failing_gives_nothing_and_raises_nothing(monkeypatch):
    def fail(*args):
        raise RuntimeError

    monkeypatch.setattr(process, "gather", fail)
    assert EvidenceContextProvider().tags() == {}
    assert EvidenceHeaderProvider().request_headers() == {}


def test_sources_are_asked_once_by_headers_even_if_they_fail(monkeypatch):
    asked = []
    monkeypatch.setattr(process, "gather", asked.append)
    for _ in range(3):
        EvidenceHeaderProvider().request_headers()
    assert len(asked) == 1


def test_a_header_comes_from_memory(monkeypatch):
    monkeypatch.setenv("EVIDENCE_OWNER", "a")
    requests = EvidenceHeaderProvider()
    first = requests.request_headers()
    for module, name in ((process, "observe"), (process, "refreshed"), (process, "gather")):
        monkeypatch.setattr(module, name, lambda *_: pytest.fail("somebody was asked again"))
    assert requests.request_headers() == first


def test_threads_ask_once(monkeypatch):
    asked = []

    def slow(host):
        return host.once("slow", lambda: asked.append(1) or {})

    monkeypatch.setattr(sources, "SOURCES", (slow,))
    threads = [threading.Thread(target=EvidenceContextProvider().tags) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(asked) == 1


def test_a_fork_while_another_thread_holds_the_lock(monkeypatch):
    """The child must not wait for a lock whose holder does not exist there."""
    held, release = threading.Event(), threading.Event()

    def hold():
        with process.current()._lock:
            held.set()
            release.wait(20)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(5)
    child = os.fork()
    if child == 0:
        ok = EvidenceContextProvider().tags().get("evidence.schema") == "1"
        os._exit(0 if ok else 1)
    killer = threading.Timer(10, os.kill, (child, 9))
    killer.start()
    _, code = os.waitpid(child, 0)
    killer.cancel()
    release.set()
    holder.join()
    assert code == 0


def test_a_log_handler_may_start_a_run(monkeypatch):
    import logging

    monkeypatch.setenv("EVIDENCE_OWNER", "x" * 2_000)

    class Nested(logging.Handler):
        def emit(self, record):
            EvidenceContextProvider().tags()
            EvidenceHeaderProvider().request_headers()

    handler = Nested()
    logging.getLogger("mlflow_evidence_plugin").addHandler(handler)
    try:
        assert EvidenceContextProvider().tags()["evidence.schema"] == "1"
    finally:
        logging.getLogger("mlflow_evidence_plugin").removeHandler(handler)
