"""Where a download goes: names come from strangers, and nothing half-written gets a final name."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..errors import BadInput

_DRIVE = re.compile(r"[A-Za-z]:")


class Stored(Protocol):
    """An artifact as its store lists it."""

    @property
    def path(self) -> str:
        """Its name, below the run's artifact root."""

    @property
    def read(self) -> Callable[[], Generator[bytes, None, None]]:
        """Gives its bytes."""


class Refused(Exception):
    """One file that is not written, with a stable code and the reason."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


@dataclass(frozen=True)
class Destination:
    """A folder of this machine's user. `overwrite` replaces files that are there."""

    folder: Path
    overwrite: bool = False

    def check(self, path: str) -> None:
        """BadInput for a path that no artifact of ours would be given; empty is the whole run."""
        why = unsafe(path) if path else None
        if why:
            raise BadInput(f"--path {path}: {why}", "give it as the store lists it: folder/file")

    def prepare(self) -> None:
        """BadInput unless the folder can be made and written to."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            trial = self._part(self.folder)
            trial.touch(exist_ok=False)
            trial.unlink()
        except OSError as error:
            said = f"nothing can be written to {self.folder}: {error.strerror}"
            raise BadInput(said, "give another folder with --dest") from error

    def save(self, file: Stored, advance: Callable[[int], None]) -> int:
        """Write a file under its name once it is complete: its size. Refused when it is not."""
        if why := unsafe(file.path):
            raise Refused("unsafe-path", why)
        try:
            target = self._target(file.path)
            return self._write(file, target, advance)
        except OSError as error:
            raise Refused("not-written", error.strerror or type(error).__name__) from error

    def _target(self, path: str) -> Path:
        *folders, name = path.split("/")
        here = self.folder
        for one in folders:
            here /= one
            if here.is_symlink():
                raise Refused("link", f"{here} is a link, and would lead elsewhere")
            here.mkdir(exist_ok=True)
        self._free(here / name)
        return here / name

    def _free(self, target: Path) -> None:
        if target.is_symlink():
            raise Refused("link", f"{target} is a link, and would lead elsewhere")
        if target.is_dir():
            raise Refused("exists", f"{target} is a folder")
        if target.exists() and not self.overwrite:
            raise Refused("exists", f"{target} is there already; --overwrite replaces it")

    def _write(self, file: Stored, target: Path, advance: Callable[[int], None]) -> int:
        part, size = self._part(target.parent), 0
        try:
            with part.open("xb") as opened, closing(file.read()) as chunks:
                for chunk in chunks:
                    size += opened.write(chunk)
                    advance(len(chunk))
            self._free(target)  # what came there meanwhile is not ours to replace
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
        return size

    @staticmethod
    def _part(folder: Path) -> Path:
        return folder / f".evidence-{secrets.token_hex(8)}.part"


def unsafe(path: str) -> str | None:
    """Why a name from a store never becomes a path of this machine; None when it may."""
    if path.startswith("/") or _DRIVE.match(path):
        return "an absolute path"
    if "\\" in path or "\0" in path:
        return "a backslash or a null character in the name"
    if any(step in ("", ".", "..") for step in path.split("/")):
        return "the name leads out of its folder, or is not written plainly"
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        return "the name is not valid Unicode"
    return None
