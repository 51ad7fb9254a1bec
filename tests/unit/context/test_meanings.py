from __future__ import annotations

from pathlib import Path

from mlflow_evidence_plugin import tags
from mlflow_evidence_plugin.context.meanings import MEANINGS, table

PAGE = Path(__file__).parents[3] / "docs" / "context.md"


def test_the_page_shows_the_table_of_the_code():
    text = PAGE.read_text(encoding="utf-8")
    shown = text.partition("<!-- tags -->\n")[2].partition("<!-- /tags -->")[0]
    assert shown == table()


def test_every_tag_has_its_meaning_in_order():
    assert list(MEANINGS) == list(tags.ORDER)
    assert len(tags.ORDER) <= 24


def test_the_page_names_every_part_of_the_header():
    text = PAGE.read_text(encoding="utf-8")
    assert tags.HEADER in text
    assert all(f"`{name}`" in text for name in tags.HEADER_NAMES)
