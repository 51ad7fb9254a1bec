"""Opens an archive that a stranger gave us: a zip file as we write them, or its unpacked folder.

Nothing is unpacked, and no name leads out of the archive. Members are stored, never compressed, so
that nothing can be larger than the file that it came in.
"""

from __future__ import annotations

import os
import re
import stat
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import IO

from ..errors import BadArchive
from .zipped import MEMBERS_MAX, check_end, check_members

TEXT_MAX = 64 << 20
"""Bytes of a member that is read whole."""
PIECE = 1 << 20

_NAME = re.compile(r"(?!/)(?:(?!\.{1,2}(?:/|\Z))[\w.@+ -]{1,255}(?:/|\Z))+(?<!/)", re.ASCII)


class Opened(ABC):
    """The members of an archive, by name, each with its size in bytes."""

    def __init__(self, sizes: dict[str, int]) -> None:
        self.sizes = sizes

    @abstractmethod
    def pieces(self, name: str) -> Iterator[bytes]:
        """A member's bytes, from its start, as they come; OSError or EOFError."""

    def read(self, name: str) -> bytes:
        """A member, whole; BadArchive for one that is not there, or too large for that."""
        if name not in self.sizes:
            raise BadArchive(f"the archive has no {name}", "get it anew")
        if self.sizes[name] > TEXT_MAX:
            raise BadArchive(f"{name} has {self.sizes[name]} bytes; {TEXT_MAX} are allowed")
        return b"".join(self.chunks(name))

    def chunks(self, name: str) -> Iterator[bytes]:
        """A member's bytes in pieces; BadArchive where they do not hold."""
        left = self.sizes[name]
        try:
            for piece in self.pieces(name):
                left -= len(piece)
                if left < 0:
                    raise BadArchive(f"{name} grew while it was read")
                yield piece
        except (OSError, EOFError) as error:
            raise BadArchive(f"{name} cannot be read: {type(error).__name__}") from error

    @abstractmethod
    def close(self) -> None:
        """Let go of the file."""


def open_archive(path: Path) -> Opened:
    """A zip file, or a folder. BadArchive for anything that we would not have written."""
    try:
        if path.is_dir():
            return _Folder(path)
        if not path.is_file():  # a pipe would wait for a writer, a device never ends
            raise BadArchive("the archive is neither a file nor a folder")
        return _Zip(path)
    except RecursionError as error:
        raise BadArchive("the folder is nested deeper than any of ours") from error
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError, EOFError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a whole zip file"
        raise BadArchive(f"the archive cannot be read: {reason}", "get it anew") from error


class _Zip(Opened):
    """Read by the places that its shape gives: digests find what a checksum would, and more."""

    def __init__(self, path: Path) -> None:
        self._lock = Lock()
        self._file = path.open("rb", buffering=0)
        try:
            start, count = check_end(self._file)
            with zipfile.ZipFile(self._file) as directory:
                infos = directory.infolist()
            sizes: dict[str, int] = {}
            for info in infos:
                _check_name(info.orig_filename, sizes)
                sizes[info.filename] = info.file_size
            if len(infos) != count:
                raise BadArchive("the archive has another number of members than it says")
            self._places = check_members(self._file, infos, start)
        except BaseException:
            self._file.close()
            raise
        super().__init__(sizes)

    def pieces(self, name: str) -> Iterator[bytes]:
        place, left = self._places[name], self.sizes[name]
        while left:
            with self._lock:
                self._file.seek(place)
                piece = self._file.read(min(left, PIECE))
            if not piece:
                raise EOFError
            place, left = place + len(piece), left - len(piece)
            yield piece

    def close(self) -> None:
        self._file.close()


class _Folder(Opened):
    def __init__(self, path: Path) -> None:
        self._path = path
        self._files: dict[str, tuple[int, int]] = {}
        sizes: dict[str, int] = {}
        for folder, folders, names in os.walk(path, onerror=_raised):
            for name in (*folders, *names):
                place = Path(folder, name)
                found = place.lstat()
                if stat.S_ISDIR(found.st_mode):
                    continue
                inside = place.relative_to(path).as_posix()
                _check_name(inside, sizes)
                if not stat.S_ISREG(found.st_mode):
                    raise BadArchive(f"{inside!a} is a link, or no file", "unpack it anew")
                sizes[inside] = found.st_size
                self._files[inside] = (found.st_dev, found.st_ino)
        super().__init__(sizes)

    def pieces(self, name: str) -> Iterator[bytes]:
        with self._opened(name) as file:
            while piece := file.read(PIECE):
                yield piece

    def _opened(self, name: str) -> IO[bytes]:
        # What was a file when we looked may be a link or a pipe by now, or lie in a linked folder.
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        file = os.fdopen(os.open(self._path / name, flags), "rb", buffering=0)
        found = os.fstat(file.fileno())
        if (found.st_dev, found.st_ino) != self._files[name]:
            file.close()
            raise BadArchive(f"{name} was replaced while it was looked at", "unpack it anew")
        return file

    def close(self) -> None:
        return


def _raised(error: OSError) -> None:
    raise error


def _check_name(name: str, known: dict[str, int]) -> None:
    if not _NAME.fullmatch(name):
        raise BadArchive(f"a member has a name that leads elsewhere: {ascii(name)[:80]}")
    if name in known:
        raise BadArchive(f"two members have the name {name}")
    if len(known) >= MEMBERS_MAX:
        raise BadArchive(f"more than {MEMBERS_MAX} members")
