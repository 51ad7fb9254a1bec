"""Files of the run and the model that go into an archive: those that fit, as the record has them.

They are got before the first byte of the archive is sent, so that it says itself what is left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ..collect import Fetching, MlflowStore, Unreadable, Wanted
from ..collect.fetching import MASKED, NOT_SCANNED
from ..errors import BadInput, Busy
from ..record import Record
from ..scan import TextObserver
from ..verify.members import BEYOND_BOUND, FILES

PATIENCE = 10.0
"""Seconds that an archive waits for the scratch space of others: its caller waits as well."""


@dataclass(frozen=True)
class Enclosed:
    """Files by digest, and what was left out: `{digest, size, path, reason}` each."""

    files: Mapping[str, Path] = field(default_factory=dict)
    omitted: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Enclosing:
    """At most `most` bytes of files, which are on disk for as long as `held` is open."""

    store: MlflowStore
    most: int
    held: ExitStack

    def files(self, record: Record, known: Set[str], room: int) -> Enclosed:
        """The smallest files first, until one does not fit, or `room` of them are there.

        `known` are digests that the archive has already. BadInput for more bytes than scratch
        space, Busy where others have that.
        """
        if not self.most:
            return Enclosed()
        budget = self.store.scratch.budget
        if self.most > budget:
            mend = f"ask for {budget} at the most, or raise EVIDENCE_SERVICE_SCRATCH_BYTES"
            raise BadInput(f"{self.most} bytes of files are more than the scratch space", mend)
        kept_back = dict(_kept_back(record))
        wanted = [one for one in _wanted(record) if f"sha256:{one.sha256}" not in known]
        waiting = [one for one in wanted if one.sha256 not in kept_back]
        folder = self._folder(min(self.most, sum(one.size for one in waiting)))
        problems = self._fetch(record, waiting, folder, room)
        why = {one.sha256: BEYOND_BOUND for one in waiting} | problems | kept_back
        return Enclosed(
            {f"sha256:{one.sha256}": folder / one.sha256 for one in wanted if not why[one.sha256]},
            [_told(one, reason) for one in wanted if (reason := why[one.sha256])],
        )

    def _folder(self, size: int) -> Path:
        try:
            return self.held.enter_context(self.store.scratch.room(size, PATIENCE))
        except Unreadable as error:
            mend = "try again later, or ask for fewer bytes"
            raise Busy(f"no room for the files: {error.reason}", mend) from error

    def _fetch(
        self, record: Record, waiting: Sequence[Wanted], folder: Path, room: int
    ) -> dict[str, str | None]:
        """What is wrong with each that was tried; None for one that is in the folder."""
        subject = record.subject
        version = (subject.model, subject.version) if subject.model and subject.version else None
        observe = partial(TextObserver, salt=subject.store)
        fetching = Fetching(self.store, observe, record.run_id, version)
        told: dict[str, str | None] = {}
        left = self.most
        # What could not be had leaves room for others: once more, until nothing fits.
        while batch := list(_fitting(waiting[len(told) :], left, room)):
            for one, problem in zip(batch, fetching.fetch(batch, folder), strict=True):
                told[one.sha256] = problem
                left, room = (left, room) if problem else (left - one.size, room - 1)
        return told


def _fitting(waiting: Sequence[Wanted], left: int, room: int) -> Iterator[Wanted]:
    for one in waiting[: max(room, 0)]:
        left -= one.size
        if left < 0:
            return
        yield one


def _wanted(record: Record) -> list[Wanted]:
    """The record's files, each distinct one once, the smallest first."""
    names: dict[tuple[int, str], list[tuple[str, str]]] = defaultdict(list)
    for place in FILES:
        for path, file in sorted(record.values(place).items()):
            names[file["size"], file["sha256"]].append((place, path))
    return [Wanted(sha256, size, tuple(at)) for (size, sha256), at in sorted(names.items())]


def _kept_back(record: Record) -> Iterator[tuple[str, str]]:
    """Files that never leave: by digest, since the same bytes may have several names."""
    files = {(place, path): f for place in FILES for path, f in record.values(place).items()}
    for gap in record.document["gaps"]:
        place, _, path = gap["place"].partition("/")
        if gap["code"] == NOT_SCANNED and (place, path) in files:
            yield files[place, path]["sha256"], NOT_SCANNED
    for found in record.value("findings", "secrets") or ():
        place, _, path = found["place"].rpartition(":")[0].partition("/")
        if (place, path) in files:
            yield files[place, path]["sha256"], MASKED
    for (_, path), file in files.items():
        if "[masked:" in path:
            yield file["sha256"], MASKED


def _told(one: Wanted, reason: str) -> dict[str, Any]:
    place, path = one.names[0]
    about = {"digest": f"sha256:{one.sha256}", "size": one.size, "path": f"{place}/{path}"}
    return about | {"reason": reason}
