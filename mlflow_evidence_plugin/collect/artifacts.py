"""Every file below a location, listed and hashed in constant memory.

The bytes go past an observer on the way, so that nothing is read twice.
"""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

from ..snapshot import Artifact, Gap, Secret
from .locations import Roots, local_path
from .modelfile import ModelFile

CHUNK = 1 << 20
"""Bytes read at a time."""

DEPTH = 32
"""Folders within folders that are followed; a link to itself, or a lying server, has no end."""


class Observer(Protocol):
    """Sees every byte of one file once, in order."""

    def update(self, chunk: bytes) -> None:
        """The next bytes."""

    def finish(self) -> Sequence[Secret | Gap]:
        """What was found, after the last byte."""


Observe = Callable[[str], Observer]
Progress = Callable[[int], None]
"""Called with the number of bytes just read, from any of the reading threads."""


class Scratch:
    """A bound on the disk space that downloads may hold at one time."""

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self._free = budget
        self._changed = threading.Condition()

    @contextmanager
    def room(self, size: int, patience: float | None = None) -> Iterator[Path]:
        """A folder in which `size` bytes may be written; waits for others to finish.

        With `patience` only so many seconds: then it is Unreadable, with the code `scratch-full`.
        """
        if size > self.budget:
            raise Unreadable(
                "larger-than-scratch",
                f"{size} bytes; raise EVIDENCE_SERVICE_SCRATCH_BYTES ({self.budget}) to hash it",
            )
        with self._changed:
            if not self._changed.wait_for(lambda: self._free >= size, patience):
                raise Unreadable("scratch-full", f"others hold what is free of {self.budget} bytes")
            self._free -= size
        try:
            with TemporaryDirectory(prefix="evidence-") as folder:
                yield Path(folder)
        finally:
            with self._changed:
                self._free += size
                self._changed.notify_all()


class Unreadable(Exception):
    """One file that cannot be read as it was listed; `code` and `reason` are safe to show."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


@dataclass(frozen=True)
class FileBytes:
    """Reads one listed file, wherever it is, in constant memory."""

    roots: Roots
    scratch: Scratch

    def chunks(
        self, repo: Any, location: str, info: Any, target: Path | None = None
    ) -> Iterator[bytes]:
        """The bytes of one listed file; Unreadable unless they are as many as were listed.

        They are in `target` afterwards, where one is given, in room that the caller has.
        """
        size, listed = 0, listed_size(info)
        for chunk in self._opened(repo, location, info, target):
            yield chunk
            size += len(chunk)
            if listed is not None and size > listed:
                break  # what grows while it is read need never end
        if listed is not None and size != listed:
            raise Unreadable("changed", f"listed with {listed} bytes, read {size}")

    def _opened(self, repo: Any, location: str, info: Any, target: Path | None) -> Iterator[bytes]:
        if ".." in info.path.split("/") or info.path.startswith("/"):
            raise Unreadable("unsafe-path", "the name leads out of the artifact root")
        folder = local_path(location)
        if folder is not None:
            return _written(self._in_place(folder / info.path), target)
        if _streams(repo):
            return _written(_over_http(repo, info.path), target)
        return _downloaded(repo, info, target) if target else self._by_download(repo, info)

    def _in_place(self, path: Path) -> Iterator[bytes]:
        if not self.roots.allow(path.as_uri()):
            raise Unreadable("location-not-allowed", "a link leads out of the artifact root")
        # Not blocking: a FIFO among the artifacts must not hold us.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise Unreadable("not-a-file", "not a regular file")
            while chunk := file.read(CHUNK):
                yield chunk

    def _by_download(self, repo: Any, info: Any) -> Iterator[bytes]:
        listed = listed_size(info)
        with self.scratch.room(self.scratch.budget if listed is None else listed) as folder:
            # A name of our own: what the store calls the file never becomes a local path.
            yield from _downloaded(repo, info, folder / "download")


@dataclass(frozen=True)
class FileReader:
    """Reads all files below one location: `place` is `outputs` or `model_files`."""

    roots: Roots
    observe: Observe
    scratch: Scratch
    pool: Executor
    progress: Progress

    def read(
        self, repository: Callable[[str], Any], location: str, place: str
    ) -> tuple[list[Artifact], list[Secret | Gap]]:
        """Artifacts ordered by path, and what was found or could not be read."""
        if not self.roots.allow(location):
            return [], [Gap(place, "location-not-allowed", _not_allowed(location))]
        found: list[Artifact] = []
        notes: list[Secret | Gap] = []
        try:
            repo = repository(location)
            walked = walk(repo, "", notes, (place, local_path(location)))
            listed = sorted(walked, key=lambda info: str(info.path))
        except Exception as error:
            return [], [Gap(place, "not-listed", f"listing failed: {type(error).__name__}")]
        for artifact, told in self.pool.map(lambda i: self.one(repo, location, i, place), listed):
            found.extend(artifact)
            notes.extend(told)
        return found, notes

    def one(
        self, repo: Any, location: str, info: Any, place: str, target: Path | None = None
    ) -> tuple[list[Artifact], list[Secret | Gap]]:
        """One listed file, or nothing and why not; its bytes are in `target`, if one is given."""
        where = f"{place}/{info.path}"
        digest, size, observer = hashlib.sha256(), 0, self.observe(where)
        model = ModelFile(info.path)
        try:
            for chunk in FileBytes(self.roots, self.scratch).chunks(repo, location, info, target):
                digest.update(chunk)
                observer.update(chunk)
                model.update(chunk)
                size += len(chunk)
                self.progress(len(chunk))
        except Unreadable as error:
            return [], [Gap(where, error.code, error.reason)]
        except Exception as error:
            reason = f"listed, but could not be read: {type(error).__name__}"
            return [], [Gap(where, "unreadable", reason)]
        notes = list(observer.finish())
        # What has a secret in it is not copied, here neither.
        signature = None if any(isinstance(n, Secret) for n in notes) else model.signature()
        return [Artifact(info.path, size, digest.hexdigest(), signature)], notes


@dataclass(frozen=True)
class SizeReader(FileReader):
    """Lists files with their sizes, and reads none: their digests are empty."""

    def one(
        self, repo: Any, location: str, info: Any, place: str, target: Path | None = None
    ) -> tuple[list[Artifact], list[Secret | Gap]]:
        """The file as it is listed; a gap where the store tells no size."""
        size = listed_size(info)
        if size is None:
            why = "the store lists it without its size"
            return [], [Gap(f"{place}/{info.path}", "size-unknown", why)]
        return [Artifact(info.path, size, "")], []


def walk(
    repo: Any, path: str, notes: list[Secret | Gap], at: tuple[str, Path | None]
) -> Iterator[Any]:
    """Every file below a path; what is not followed goes to the notes.

    `at` is the name of the place, for the notes, and its folder where it is on this machine.
    """
    place, folder = at
    for info in repo.list_artifacts(path or None):
        if not info.is_dir:
            yield info
        elif folder is not None and (folder / info.path).is_symlink():
            # Two links to the folder that they lie in make a tree of 2^DEPTH folders.
            reason = "a link to a folder is not followed"
            notes.append(Gap(f"{place}/{info.path}", "link-not-followed", reason))
        elif info.path.count("/") >= DEPTH:
            notes.append(Gap(f"{place}/{info.path}", "not-listed", f"over {DEPTH} folders deep"))
        elif len(info.path) > len(path) and info.path.startswith(path):
            try:
                yield from walk(repo, info.path, notes, at)
            except Exception as error:
                reason = f"listing failed: {type(error).__name__}"
                notes.append(Gap(f"{place}/{info.path}", "not-listed", reason))


def listed_size(info: Any) -> int | None:
    """The size that a store lists a file with, in bytes; None where it tells none."""
    # Azure ML lists every file with -1 bytes.
    unknown = info.file_size is None or int(info.file_size) < 0
    return None if unknown else int(info.file_size)


def _written(chunks: Iterator[bytes], target: Path | None) -> Iterator[bytes]:
    if target is None:
        yield from chunks
        return
    with target.open("wb", buffering=0) as file:
        for chunk in chunks:
            try:
                file.write(chunk)
            except OSError as error:
                raise Unreadable("no-scratch", f"it cannot be kept: {error.strerror}") from error
            yield chunk


def _downloaded(repo: Any, info: Any, target: Path) -> Iterator[bytes]:
    repo._download_file(info.path, str(target))
    with target.open("rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _streams(repo: Any) -> bool:
    from mlflow.store.artifact.http_artifact_repo import HttpArtifactRepository

    return isinstance(repo, HttpArtifactRepository)


def _over_http(repo: Any, path: str) -> Iterator[bytes]:
    from mlflow.utils.rest_utils import augmented_raise_for_status, http_request

    with http_request(repo._host_creds, f"/{_quoted(path)}", "GET", stream=True) as response:
        augmented_raise_for_status(response)
        yield from response.iter_content(CHUNK)


def _quoted(path: str) -> str:
    # `requests` quotes what it must, but takes these three for parts of the URL.
    return path.replace("%", "%25").replace("?", "%3F").replace("#", "%23")


def _not_allowed(location: str) -> str:
    scheme = location.split(":", 1)[0] if ":" in location else "file"
    return (
        f"a {scheme}: location outside the allowed roots was not followed; "
        "if it is yours, name its root in EVIDENCE_SERVICE_ARTIFACT_ROOTS"
    )
