"""Every path on a file of SQLite, as on somebody's laptop."""

from __future__ import annotations

import pytest

from .cells import EVERY_PATH, check, place


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sqlite")
    return place("sqlite", f"sqlite:///{folder / 'mlflow.db'}", folder)


@EVERY_PATH
def test_stamped(path, store, tmp_path, record_property):
    check(path, store, tmp_path, record_property)
