"""Pods, jobs of SLURM, notebooks: facts for the artifact, from names on a list and no others."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from mlflow_evidence_plugin import tags
from mlflow_evidence_plugin.context import distributions, surroundings
from mlflow_evidence_plugin.context.environment import SCHEMA, canonical, document, path
from mlflow_evidence_plugin.context.host import Host, observe
from mlflow_evidence_plugin.context.surroundings import FACTS, table

PAGE = Path(__file__).parents[3] / "docs" / "context.md"
DIGEST = "sha256:" + "ab" * 32
POD = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "HOSTNAME": "train-x7"}


@pytest.fixture
def mounted(tmp_path, monkeypatch):
    """A service account as a cluster mounts it; opening its token fails the test."""
    namespace = tmp_path / "namespace"
    namespace.write_text("credit-risk\n")
    (tmp_path / "token").write_text("eyJhbGciOi.eyJzdWIiOi.secret")
    monkeypatch.setattr(surroundings, "NAMESPACE", namespace)
    opened = []
    real = os.open
    monkeypatch.setattr(os, "open", lambda p, *a, **k: opened.append(str(p)) or real(p, *a, **k))
    yield namespace
    assert not [name for name in opened if name.endswith("token")]


def known(**env: str) -> dict[str, dict[str, str]]:
    return surroundings.surroundings(Host(env=env, name="box"))


def test_a_laptop_is_surrounded_by_nothing():
    assert known() == {}
    assert known(HOSTNAME="box", HOME="/home/jo", USER="jo") == {}


def test_a_pod_is_known_by_its_name_and_the_mounted_namespace(mounted):
    assert known(**POD)["kubernetes"] == {"pod": "train-x7", "namespace": "credit-risk"}


def test_the_downward_api_has_the_first_word(mounted):
    env = {"POD_NAME": "p", "POD_NAMESPACE": "n", "NODE_NAME": "m"}
    assert known(**POD, **env)["kubernetes"] == {"pod": "p", "namespace": "n", "node": "m"}


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"a b", b"x" * 300, b"-no", b"eyJ.eyJ\nx"])
def test_a_namespace_file_that_holds_none_is_left_out(mounted, content):
    mounted.write_bytes(content)
    assert "namespace" not in known(**POD)["kubernetes"]


def test_a_fifo_in_place_of_the_namespace_keeps_nobody_waiting(mounted):
    mounted.unlink()
    os.mkfifo(mounted)
    assert "namespace" not in known(**POD)["kubernetes"]


def test_slurm_is_read_by_name_alone():
    env = {
        "SLURM_JOB_ID": "77",
        "SLURM_JOB_NAME": "credit",
        "SLURM_CLUSTER_NAME": "hpc",
        "SLURM_ARRAY_TASK_ID": "3",
        "SLURM_NODELIST": "gpu[01-04]",
        "SLURM_JWT": "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE2fQ.x",
        "SLURM_CONF": "/etc/slurm.conf",
    }
    assert known(**env) == {
        "slurm": {
            "job_id": "77",
            "job_name": "credit",
            "cluster_name": "hpc",
            "array_task_id": "3",
            "nodelist": "gpu[01-04]",
        }
    }


def test_the_digest_of_an_image_is_told_apart():
    image = f"registry.example.org/train@{DIGEST}"
    assert known(EVIDENCE_IMAGE=image)["image"] == {"reference": image, "digest": DIGEST}
    assert known(EVIDENCE_IMAGE="train:1.2")["image"] == {"reference": "train:1.2"}


def test_a_notebook_is_known_by_its_server_or_its_editor(monkeypatch):
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    assert known(JPY_SESSION_NAME="credit/train.ipynb")["notebook"] == {
        "path": "credit/train.ipynb"
    }
    main = sys.modules["__main__"]
    monkeypatch.setattr(main, "__vsc_ipynb_file__", "/home/jo/train.ipynb", raising=False)
    monkeypatch.setitem(sys.modules, "ipykernel", main)
    assert known()["notebook"] == {"kernel": "ipykernel", "path": "/home/jo/train.ipynb"}


@pytest.mark.parametrize("fact", [one for one in FACTS if one.variables], ids=lambda one: one.place)
@pytest.mark.parametrize("value", ["https://jo:hunter2@x", "a\nb", "x" * 1001, "\udcff"])
def test_no_variable_brings_in_a_credential_or_what_no_store_takes(fact, value):
    assert known(**{fact.variables[0]: value}) == {}


def test_the_document_has_what_the_digest_is_made_of():
    told = document(observe())
    lines = distributions.installed(observe().path)
    assert told["distributions"] == lines
    assert {tags.ENV_DIGEST: told["digest"]} == distributions.digest(observe())
    assert path(told) == f"evidence/environment-{told['digest'][7:]}.json"
    text = canonical(told)
    assert json.loads(text) == told and told["schema"] == SCHEMA
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))


def test_the_list_is_that_of_the_digest_though_something_was_installed_since(tmp_path):
    (tmp_path / "a-1.dist-info").mkdir()
    host = Host(path=(str(tmp_path),))
    before = distributions.digest(host)
    (tmp_path / "b-1.dist-info").mkdir()
    told = document(host)
    assert (told["distributions"], told["digest"]) == (["a==1"], before[tags.ENV_DIGEST])


def test_without_distributions_or_with_an_odd_one_there_is_no_document(tmp_path):
    assert document(Host(path=(str(tmp_path),))) is None
    (tmp_path / "x-ghp_0123456789abcdef0123.dist-info").mkdir()
    assert document(Host(path=(str(tmp_path),))) is None


def test_the_page_shows_the_table_of_the_code():
    text = PAGE.read_text(encoding="utf-8")
    assert text.partition("<!-- facts -->\n")[2].partition("<!-- /facts -->")[0] == table()


def test_facts_have_places_of_their_own():
    assert len({one.place for one in FACTS}) == len(FACTS)
    assert all(one.source and one.said for one in FACTS)
