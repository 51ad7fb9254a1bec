"""Stores that can only download: through a bounded scratch space, under a name of our own."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from mlflow_evidence_plugin.collect.artifacts import FileReader, Scratch, Unreadable
from mlflow_evidence_plugin.collect.locations import Roots
from mlflow_evidence_plugin.scan import TextObserver
from mlflow_evidence_plugin.snapshot import Artifact

ROOT = "s3://bucket/models"


@dataclass(frozen=True)
class Info:
    path: str
    file_size: int | None
    is_dir: bool = False


class Bucket:
    """An artifact store as MLflow's are: it lists, and downloads to a path that it is given."""

    def __init__(self, content: dict[str, bytes], sized: bool = True) -> None:
        self.content, self.sized = content, sized
        self.targets: list[Path] = []

    def list_artifacts(self, path: str | None) -> list[Info]:
        return [Info(k, len(v) if self.sized else None) for k, v in self.content.items()]

    def _download_file(self, path: str, target: str) -> None:
        self.targets.append(Path(target))
        Path(target).write_bytes(self.content[path])


def read(bucket: Bucket, budget: int = 1_000, location: str = f"{ROOT}/1"):
    with ThreadPoolExecutor(4) as pool:
        observe = lambda place: TextObserver(place, "s")  # noqa: E731
        reader = FileReader(Roots((ROOT,)), observe, Scratch(budget), pool, lambda _: None)
        return reader.read(lambda _: bucket, location, "outputs")


@pytest.mark.parametrize("sized", [True, False])
def test_downloads_are_hashed_and_leave_nothing_behind(sized):
    content = {f"f{number}": bytes([number]) * 900 for number in range(8)}
    bucket = Bucket(content, sized)
    found, notes = read(bucket)
    expected = [Artifact(k, 900, hashlib.sha256(v).hexdigest()) for k, v in content.items()]
    assert (found, notes) == (expected, [])
    assert not any(target.exists() for target in bucket.targets)


def test_what_is_larger_than_the_scratch_space_is_a_gap_and_is_not_downloaded():
    bucket = Bucket({"big": b"x" * 1_001, "small": b"y"})
    found, (gap,) = read(bucket)
    assert [one.path for one in found] == ["small"]
    assert (gap.place, gap.code) == ("outputs/big", "larger-than-scratch")
    assert len(bucket.targets) == 1


def test_the_name_of_an_artifact_never_becomes_a_local_path():
    bucket = Bucket({"../../etc/passwd": b"x", "/etc/shadow": b"x", "a b/ü": b"ok"})
    found, notes = read(bucket)
    assert [one.path for one in found] == ["a b/ü"]
    assert {note.code for note in notes} == {"unsafe-path"}
    assert [target.name for target in bucket.targets] == ["download"]


@pytest.mark.parametrize(
    "location", ["s3://bucket/models-of-others/1", "s3://bucket/models/../x", "s3://other/models"]
)
def test_a_location_outside_the_roots_is_not_listed(location):
    bucket = Bucket({"a": b"x"})
    found, (gap,) = read(bucket, location=location)
    assert (found, gap.code, bucket.targets) == ([], "location-not-allowed", [])


def test_a_download_that_is_to_stay_is_written_once_where_the_caller_has_room(tmp_path):
    bucket = Bucket({"a": b"x" * 1_001})
    (info,) = bucket.list_artifacts(None)
    with ThreadPoolExecutor(1) as pool:
        observe = lambda place: TextObserver(place, "s")  # noqa: E731
        reader = FileReader(Roots((ROOT,)), observe, Scratch(1_000), pool, lambda _: None)
        found, notes = reader.one(bucket, f"{ROOT}/1", info, "outputs", tmp_path / "kept")
    assert (found[0].sha256, notes) == (hashlib.sha256(b"x" * 1_001).hexdigest(), [])
    assert bucket.targets == [tmp_path / "kept"]
    assert (tmp_path / "kept").read_bytes() == b"x" * 1_001


def test_who_does_not_wait_for_scratch_space_is_told(tmp_path):
    scratch = Scratch(1_000)
    with scratch.room(600), pytest.raises(Unreadable) as full, scratch.room(600, 0.01):
        pass
    assert full.value.code == "scratch-full"
    with scratch.room(1_000, 0):
        pass
