"""The documentation says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mlflow_evidence_plugin.cli.main import EXIT
from mlflow_evidence_plugin.settings import Settings
from mlflow_evidence_plugin.storage.tokens import SCOPES

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
PAGES += sorted((ROOT / "docs").rglob("*.md"))


def test_the_exit_codes_are_those_of_the_code():
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", (ROOT / "docs/cli.md").read_text(), re.M)
    told = {name: int(code) for code, text in rows for name in re.findall(r"`([a-z-]+)`", text)}
    for error, code in EXIT.items():
        if error.code != "bad-input":
            assert told[error.code] == code, error
    assert "2" in dict(rows)


def test_every_setting_is_documented():
    page = (ROOT / "docs/service.md").read_text()
    for name in Settings.__dataclass_fields__.keys() - {"signing_uri"}:  # in SIGNING_KEY too
        assert f"`{name.upper()}`" in page, name


def test_every_scope_is_documented():
    page = (ROOT / "docs/service.md").read_text()
    assert all(f"`{scope}`" in page for scope in SCOPES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("target", ["demo", "test", "serve", "bench", "lint", "fuzz"])
def test_each_make_target_that_is_promised_exists(target):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.M)
