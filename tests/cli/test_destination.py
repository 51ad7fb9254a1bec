"""Where a download goes: which names become paths, and what is left when it breaks off."""

from __future__ import annotations

import pytest

from mlflow_evidence_plugin.cli.destination import Destination, Refused, unsafe
from mlflow_evidence_plugin.errors import BadInput
from tests.cli.conftest import files_below

HOSTILE = {
    "up": "../../etc/passwd",
    "up-within": "a/../../x",
    "up-alone": "..",
    "absolute": "/etc/passwd",
    "double-slash": "//host/share",
    "empty-step": "a//b",
    "dot": "./x",
    "folder": "a/",
    "nothing": "",
    "backslash": "..\\..\\x",
    "backslash-within": "a\\b",
    "drive": "C:evil.dll",
    "drive-absolute": "c:/windows/x",
    "null": "a\0b",
    "surrogate": "a\ud800",
}


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_name_becomes_no_path(tmp_path, name):
    assert unsafe(name)
    with pytest.raises(Refused) as refused:
        Destination(tmp_path / "in", overwrite=True).save(File(name), lambda _: None)
    assert refused.value.code == "unsafe-path"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_half_a_file_gets_no_name(tmp_path, error):
    (tmp_path / "x").write_text("before")
    with pytest.raises((KeyboardInterrupt, Refused)):
        Destination(tmp_path, overwrite=True).save(File("x", b"half", error), lambda _: None)
    assert files_below(tmp_path) == ["x"]
    assert (tmp_path / "x").read_text() == "before"


def test_a_file_that_came_there_meanwhile_is_kept(tmp_path):
    destination = Destination(tmp_path)
    come = lambda _: (tmp_path / "x").write_text("another's")  # noqa: E731
    with pytest.raises(Refused) as refused:
        destination.save(File("x", b"ours"), come)
    assert refused.value.code == "exists"
    assert (tmp_path / "x").read_text() == "another's"
    assert files_below(tmp_path) == ["x"]


def test_a_path_of_the_command_line_is_checked_likewise(tmp_path):
    Destination(tmp_path).check("")
    Destination(tmp_path).check("a b/ü.txt")
    for name in HOSTILE.values():
        if name:
            with pytest.raises(BadInput):
                Destination(tmp_path).check(name)


class File:
    """An artifact that breaks off, where an error is given."""

    def __init__(self, path: str, content: bytes = b"x", error=None) -> None:
        self.path, self.content, self.error = path, content, error

    def read(self):
        yield self.content
        if self.error:
            raise self.error
