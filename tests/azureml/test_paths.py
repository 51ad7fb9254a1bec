"""Every path of tests/matrix in a workspace."""

from __future__ import annotations

import pytest

from tests.matrix.cells import EVERY_PATH, check, place

from .conftest import NEEDS_AZUREML

pytestmark = NEEDS_AZUREML


@pytest.fixture(scope="module")
def store(workspace, in_workspace, client_env):
    return place("azureml", workspace.uri, workspace.root, client_env)


@EVERY_PATH
def test_stamped(path, store, tmp_path, record_property):
    check(path, store, tmp_path, record_property)
