"""Files that a record names, got again: from where the run and the model version have them now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import Busy, EvidenceError, NotFound
from ..snapshot import Artifact, Gap, Secret
from .artifacts import FileReader, Observe, listed_size, walk
from .asking import asked
from .locations import local_path
from .store import MlflowStore
from .versions import location_of

OUTPUTS, MODEL_FILES = "outputs", "model_files"
MASKED, NOT_SCANNED = "masked", "not-scanned"
UNREACHABLE, CHANGED, GONE = "unreachable", "changed", "gone"
_FIRST = (MASKED, NOT_SCANNED, UNREACHABLE, CHANGED, GONE)
"""What is said of a file that is not to be had under any of its names: the first that holds."""


@dataclass(frozen=True)
class Wanted:
    """A file as a record has it: hex SHA-256, size in bytes, and its names: place and path."""

    sha256: str
    size: int
    names: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class _Place:
    repo: Any
    location: str
    listed: Mapping[str, Any]
    notes: Sequence[Secret | Gap]


class Fetching:
    """The files of a run, and of a model version where the record is about one."""

    def __init__(
        self,
        store: MlflowStore,
        observe: Observe,
        run_id: str | None,
        version: tuple[str, str] | None,
    ) -> None:
        self._store, self._observe = store, observe
        self._run_id, self._version = run_id, version
        self._places: dict[str, _Place | str] = {}

    def fetch(self, wanted: Sequence[Wanted], folder: Path) -> list[str | None]:
        """Why each cannot be had; None for one that is in the folder now, named by its digest.

        Busy where the folder's disk is full. A store that is away is no error here.
        """
        for place in {place for one in wanted for place, _ in one.names} - set(self._places):
            self._places[place] = self._look(place)
        store = self._store
        with ThreadPoolExecutor(store.readers, "collect") as pool:
            files = FileReader(store.roots, self._observe, store.scratch, pool, lambda _: None)
            return list(pool.map(partial(self._one, files, folder), wanted))

    def _look(self, place: str) -> _Place | str:
        try:
            with asked(f"the {place} of the record"):
                location = self._location(place)
                if not self._store.roots.allow(location):
                    return UNREACHABLE
                repo = self._store.repository(location)
                notes: list[Secret | Gap] = []
                found = walk(repo, "", notes, (place, local_path(location)))
                return _Place(repo, location, {str(info.path): info for info in found}, notes)
        except NotFound:
            return GONE
        except EvidenceError:
            return UNREACHABLE

    def _location(self, place: str) -> str:
        client = self._store.client
        if place == MODEL_FILES and self._version:
            return location_of(client, client.get_model_version(*self._version))
        return str(client.get_run(self._run_id).info.artifact_uri or "")

    def _one(self, files: FileReader, folder: Path, wanted: Wanted) -> str | None:
        target, why = folder / wanted.sha256, set[str]()
        for place, path in wanted.names:
            problem = self._read(files, place, path, wanted, target)
            if problem is None:
                return None
            why.add(problem)
        target.unlink(missing_ok=True)
        return min(why, key=_FIRST.index)

    def _read(
        self, files: FileReader, place: str, path: str, wanted: Wanted, target: Path
    ) -> str | None:
        at = self._places[place]
        if isinstance(at, str):
            return at
        info = at.listed.get(path)
        if info is None:
            hidden = any(f"{place}/{path}".startswith(f"{note.place}/") for note in at.notes)
            return UNREACHABLE if hidden else GONE
        if listed_size(info) not in (None, wanted.size):
            return CHANGED  # and not read: there was made room for what the record names
        return _wrong(*files.one(at.repo, at.location, info, place, target), wanted)


def _wrong(found: Sequence[Artifact], notes: Sequence[Secret | Gap], wanted: Wanted) -> str | None:
    codes = {note.code if isinstance(note, Gap) else MASKED for note in notes}
    if "no-scratch" in codes:
        raise Busy("no disk space is left for the files", "ask for fewer bytes of them, or later")
    if not found:
        return CHANGED if CHANGED in codes else UNREACHABLE
    if found[0].sha256 != wanted.sha256:
        return CHANGED
    # Looked at again, since from here on it is no longer digests alone that leave.
    return next((code for code in (MASKED, NOT_SCANNED) if code in codes), None)
