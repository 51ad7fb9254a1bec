"""Every path on a tracking server of the same version."""

from __future__ import annotations

import pytest

from tests.servers import mlflow_server

from .cells import EVERY_PATH, check, place


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("http")
    with mlflow_server(folder) as url:
        yield place("http", url, folder)


@EVERY_PATH
def test_stamped(path, store, tmp_path, record_property):
    check(path, store, tmp_path, record_property)
