from __future__ import annotations

import logging
import os
import time

import pytest

from mlflow_evidence_plugin.context import files, governance
from mlflow_evidence_plugin.tags import GOVERNANCE

from .conftest import write


def said(found):
    return {name: entry.value for name, entry in found.values.items()}


def test_the_later_source_wins_name_by_name(host, tmp_path):
    company = write(tmp_path / "company.toml", '[governance]\nowner="a"\nteam="a"\nticket="a"\n')
    own = write(tmp_path / "evidence.toml", '[governance]\nteam="b"\nticket="b"\n')
    found = governance.read(host(EVIDENCE_CONFIG=str(company), EVIDENCE_TICKET="c"))
    assert said(found) == {"owner": "a", "team": "b", "ticket": "c"}
    sources = {name: entry.source for name, entry in found.values.items()}
    assert sources == {"owner": str(company), "team": str(own), "ticket": "EVIDENCE_TICKET"}
    assert found.files == (company, own)
    assert found.problems == ()


@pytest.mark.parametrize("name", GOVERNANCE)
def test_every_name_has_its_variable(host, name):
    assert said(governance.read(host(**{f"EVIDENCE_{name.upper()}": " jo "}))) == {name: "jo"}


def test_a_whole_number_is_text_and_an_empty_value_says_nothing(host, tmp_path):
    write(tmp_path / "evidence.toml", '[governance]\ncost_center = 4711\nowner = " "\n')
    found = governance.read(host(EVIDENCE_TEAM=""))
    assert said(found) == {"cost_center": "4711"}
    assert found.problems == ()


@pytest.mark.parametrize(
    "value", ["true", "1.5", "['a']", "{a = 1}", "2026-01-01", "0x" + "f" * 99]
)
def test_a_value_of_another_type_is_a_problem(host, tmp_path, value):
    write(tmp_path / "evidence.toml", f"[governance]\nowner = {value}\nteam = 'b'\n")
    found = governance.read(host())
    assert said(found) == {"team": "b"}
    (problem,) = found.problems
    assert problem.subject.startswith("evidence.owner in ")
    assert problem.loud
    assert "quotes" in problem.mend


def test_an_unknown_name_is_for_doctor_only(host, tmp_path, caplog):
    write(tmp_path / "evidence.toml", 'team = "x"\n[governance]\nownr = "jo"\n')
    assert governance.declared(host()) == {}
    subjects = {problem.subject.split(" in ")[0] for problem in governance.read(host()).problems}
    assert subjects == {"ownr", "team"}
    assert caplog.records == []


def test_a_misspelt_variable_is_for_doctor_only(host):
    problems = governance.misspelt(host(EVIDENCE_OWNR="jo", EVIDENCE_OWNER="jo", OTHER="x"))
    assert [(p.subject, p.mend) for p in problems] == [
        ("EVIDENCE_OWNR", "Did you mean EVIDENCE_OWNER?")
    ]


def test_a_refused_value_is_not_replaced_by_an_earlier_one(host, tmp_path):
    write(tmp_path / "evidence.toml", '[governance]\nrunbook = "https://wiki/general"\n')
    found = governance.read(host(EVIDENCE_RUNBOOK="https://u:pw@wiki/mine"))
    assert said(found) == {}
    (problem,) = found.problems
    assert problem.subject == "evidence.runbook"
    assert "EVIDENCE_RUNBOOK" in problem.mend


def test_a_warning_comes_once_and_never_shows_the_value(host, caplog):
    with caplog.at_level(logging.DEBUG, "mlflow_evidence_plugin"):
        for _ in range(3):
            governance.declared(host(EVIDENCE_OWNER="gh" + "p_0123456789abcdefghij"))
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "evidence.owner" in record.getMessage()
    assert "credential" in record.getMessage()
    assert "0123456789" not in record.getMessage()


def test_a_log_handler_that_raises_costs_nothing(host):
    class Broken(logging.Handler):
        def handle(self, record):
            raise RuntimeError

    broken = Broken()
    logging.getLogger("mlflow_evidence_plugin").addHandler(broken)
    try:
        environment = {"EVIDENCE_OWNER": "x" * 5_000, "EVIDENCE_TEAM": "b"}
        assert governance.declared(host(**environment)) == {"evidence.team": "b"}
    finally:
        logging.getLogger("mlflow_evidence_plugin").removeHandler(broken)


def make_fifo(path):
    os.mkfifo(path)


def make_foreign(path):
    write(path, "[governance]\nowner='x'\n")
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    os.chown(path, 4242, 4242)


def make_unreadable(path):
    write(path, "[governance]\nowner='x'\n").chmod(0)
    if os.geteuid() == 0:
        pytest.skip("root reads everything")


UNFIT = {
    "directory": (lambda path: path.mkdir(), ""),
    "fifo": (make_fifo, "regular file"),
    "binary": (lambda path: path.write_bytes(b"\xff\xfe\x00"), "UTF-8"),
    "huge": (lambda path: path.write_bytes(b"#" * (files.MAX_BYTES + 1)), "64 KiB"),
    "unreadable": (make_unreadable, "cannot be read"),
    "broken": (lambda path: write(path, "[governance\n"), "line 1"),
    "deep": (lambda path: write(path, "a = " + "[" * 30_000), "TOML"),
    "number": (lambda path: write(path, "a = " + "9" * 30_000), "TOML"),
    "foreign": (make_foreign, "another user"),
    "dangling": (lambda path: path.symlink_to("nowhere"), "no such file"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "regular file"),
    "not-a-table": (lambda path: write(path, "governance = 3"), "not a table"),
}


@pytest.mark.parametrize("variable", [False, True], ids=["found", "EVIDENCE_CONFIG"])
@pytest.mark.parametrize("kind", UNFIT)
def test_an_unfit_file_is_one_problem_and_no_value(host, tmp_path, kind, variable):
    make, reason = UNFIT[kind]
    path = tmp_path / ("company.toml" if variable else "evidence.toml")
    make(path)
    here = host(EVIDENCE_CONFIG=str(path)) if variable else host()
    found = governance.read(here)
    assert said(found) == {}
    (problem,) = found.problems
    assert problem.subject == str(path)
    assert reason in problem.reason
    assert problem.loud


def test_a_missing_organisation_file_is_a_problem(host, tmp_path):
    (problem,) = governance.read(host(EVIDENCE_CONFIG=str(tmp_path / "none.toml"))).problems
    assert "no such file" in problem.reason


@pytest.mark.parametrize("key", [30_000, files.MAX_DOTS], ids=["one", "many"])
def test_dotted_keys_without_end_cost_no_time(host, tmp_path, key):
    number_of_lines = files.MAX_BYTES // (2 * key) + 1
    lines = (f"{'.'.join('a' * key)}.b{number} = 1\n" for number in range(number_of_lines))
    write(tmp_path / "evidence.toml", "".join(lines)[: files.MAX_BYTES])
    began = time.monotonic()
    governance.read(host())
    assert time.monotonic() - began < 1


def test_dots_in_a_comment_do_no_harm(host, tmp_path):
    write(tmp_path / "evidence.toml", f"# {'.' * 200}\n[governance]\nowner='jo'\n")
    assert said(governance.read(host())) == {"owner": "jo"}


def test_the_nearest_file_upward_counts_and_the_repository_is_the_end(host, tmp_path):
    inner = tmp_path / "repo" / "src" / "train"
    inner.mkdir(parents=True)
    write(tmp_path / "evidence.toml", '[governance]\nowner="outside"\n')
    assert said(governance.read(host(inner))) == {"owner": "outside"}
    (tmp_path / "repo" / ".git").mkdir()
    assert said(governance.read(host(inner))) == {}
    write(tmp_path / "repo" / "evidence.toml", '[governance]\nowner="repo"\n')
    assert said(governance.read(host(inner))) == {"owner": "repo"}
    write(inner / "evidence.toml", '[governance]\nteam="near"\n')
    assert said(governance.read(host(inner))) == {"team": "near"}


def test_the_home_is_the_end(host, tmp_path):
    home = tmp_path / "home"
    (home / "src").mkdir(parents=True)
    write(tmp_path / "evidence.toml", '[governance]\nowner="outside"\n')
    here = host(home / "src")
    object.__setattr__(here, "home", home)
    assert said(governance.read(here)) == {}


def test_files_are_read_once_and_variables_each_time(host, tmp_path):
    path = write(tmp_path / "evidence.toml", '[governance]\nowner="a"\n')
    here = host()
    assert said(governance.read(here)) == {"owner": "a"}
    write(path, '[governance]\nowner="b"\n')
    assert said(governance.read(here)) == {"owner": "a"}
