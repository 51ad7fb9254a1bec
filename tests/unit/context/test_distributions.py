from __future__ import annotations

import hashlib
from importlib.metadata import distributions

from mlflow_evidence_plugin import tags
from mlflow_evidence_plugin.context.distributions import digest, installed
from mlflow_evidence_plugin.context.host import observe


def test_the_names_are_those_that_python_itself_finds():
    host = observe()
    known = {
        f"{one.name.lower().replace('_', '-').replace('.', '-')}=={one.version}"
        for one in distributions()
    }
    assert set(installed(host.path)) == known


def test_the_digest_can_be_made_again_from_the_list():
    host = observe()
    text = "\n".join(installed(host.path)) + "\n"
    expected = "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    assert digest(host) == {tags.ENV_DIGEST: expected}


def test_the_first_place_counts_and_what_is_no_distribution_does_not(tmp_path):
    for place, name in (
        ("a", "Foo_Bar-1.0.dist-info"),
        ("b", "foo.bar-2.0.dist-info"),
        ("b", "old-3.1-py3.11.egg-info"),
        ("b", "no-metadata"),
        ("b", "noversion.dist-info"),
        ("b", "~umpy-1.0.dist-info.bak"),
    ):
        (tmp_path / place / name).mkdir(parents=True)
    (tmp_path / "file.zip").write_bytes(b"")
    path = [str(tmp_path / name) for name in ("a", "missing", "file.zip", "b")]
    assert installed(path) == ["foo-bar==1.0", "old==3.1"]


def test_where_nothing_is_installed_nothing_is_said(host):
    assert digest(host()) == {}
