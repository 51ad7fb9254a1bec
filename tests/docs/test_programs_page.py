"""The table of other people's programs is the one that is tested."""

from __future__ import annotations

from pathlib import Path

from tests.programs.table import PROGRAMS, SCRIPTS, markdown

ROOT = Path(__file__).parents[2]


def test_the_page_has_the_programs_of_the_tests():
    page = (ROOT / "docs" / "programs.md").read_text("utf-8")
    table = page.partition("<!-- programs -->\n")[2].partition("\n<!-- /programs -->")[0]
    assert table == markdown()


def test_each_script_is_in_the_table():
    assert {file.stem for file in SCRIPTS.glob("*.py")} == {one.name for one in PROGRAMS}
