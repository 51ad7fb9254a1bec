"""One service in parts on each database, shared by the tests that kill and starve it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mlflow_evidence_plugin.wiring import prepare
from tests.faults.cluster import Cluster
from tests.faults.meddler import honest, meddling


@pytest.fixture(scope="package", params=["sqlite", "postgres"])
def cluster_of_kind(request, mlflow_url, tmp_path_factory) -> Iterator[Cluster]:
    url = None
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_server").new_database()
    with meddling(mlflow_url) as meddler:
        home = tmp_path_factory.mktemp(f"cluster-{request.param}") / "home"
        made = Cluster(home, meddler, url)
        prepare(made.settings)
        yield made
        made.close()


@pytest.fixture
def cluster(cluster_of_kind) -> Iterator[Cluster]:
    """The parts that the test before left running are still there, the meddler is honest again."""
    yield cluster_of_kind
    cluster_of_kind.meddler.meddle = honest


only_postgres = pytest.mark.parametrize("cluster_of_kind", ["postgres"], indirect=True)
