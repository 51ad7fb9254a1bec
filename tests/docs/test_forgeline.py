"""The ForgeLine case, on real parts: month 9 is stopped, marked and explained; month 10 passes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "forgeline.md").read_text("utf-8")


@pytest.fixture(scope="module")
def out(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("forgeline")
    env = {**os.environ, "NO_PROXY": "*", "HOME": str(folder), "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-m", "examples.forgeline", "--out", str(folder / "case")]
    done = subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "case"


@pytest.fixture(scope="module")
def case(out) -> dict:
    return json.loads((out / "case.json").read_text("utf-8"))


def test_the_policy_stops_month_9_alone(case):
    allowed = {month: one["allowed"] for month, one in case["months"].items()}
    assert allowed == {str(month): month != 9 for month in range(1, 13)}
    codes = {one["code"] for one in case["months"]["9"]["reasons"]}
    assert codes == {"metric-threshold", "no-regression"}
    (regression,) = (r for r in case["months"]["9"]["reasons"] if r["code"] == "no-regression")
    assert "version 8 has" in regression["found"]


def test_the_history_marks_month_9_alone_and_names_what_changed(case):
    items = case["history"]["items"]
    assert [one["name"][-2:] for one in items] == [f"{month:02}" for month in range(1, 13)]
    assert [one["name"][-2:] for one in items if one["state"] == "regression"] == ["09"]
    changes = items[8]["changes"]
    first = changes[0]
    assert (first["section"], first["name"]) == ("parameters", "labelling")
    assert (first["base"], first["value"], first["changed_before"]) == ("v1", "v2", 0)
    (dataset,) = (one for one in changes if one["section"] == "inputs")
    assert dataset["name"] == "forgings"
    assert dataset["base"]["digest"] != dataset["value"]["digest"]


def test_what_is_printed_says_so_as_well(out):
    assert re.search(r"2025-09 .*✕ regression +labelling: v1 → v2", printed(out, "history-month-9"))
    assert printed(out, "history-month-12").count("regression") == 1
    assert re.search(r"recall .*; worse", printed(out, "compare"))
    assert re.search(r"labelling +v1 +v2", printed(out, "compare"))
    assert "no-regression" in printed(out, "decide")


def test_the_plots_show_the_mark(out):
    for name in ("month-9", "month-12"):
        made, kept = out / f"{name}.svg", ROOT / "docs" / "img" / f"forgeline-{name}.svg"
        for file in (made, kept):
            text = {e.text for e in ET.parse(file).iter() if e.tag.endswith("text")}
            assert {"regression", "recall", "2025-09-01"} <= text
        assert f"img/{kept.name}" in PAGE


def test_the_page_shows_what_the_commands_print(out):
    blocks = re.findall(r"<!-- printed: (\S+) -->\n```text\n(.*?)```", PAGE, re.DOTALL)
    assert {name for name, _ in blocks} == {
        "decide", "history-month-9", "compare", "history-month-12",
    }  # fmt: skip
    for name, text in blocks:
        # Digests and the last digits of a figure differ from machine to machine.
        assert [*words(text)] == [*words(printed(out, name))], name


def words(text: str) -> list[str]:
    return re.findall(r"[a-z][a-z-]{3,}", re.sub(r"sha256:\S+|digest \S+", "", text))


def printed(out: Path, name: str) -> str:
    return (out / f"{name}.txt").read_text("utf-8")
