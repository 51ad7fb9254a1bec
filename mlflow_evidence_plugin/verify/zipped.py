"""The shape of a zip file as we write one: members from its first byte on, a directory, the end.

Readers of zip files disagree about anything else: about data before, between and after, about two
directories, and about names that stand twice. So nothing else is taken.
https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
"""

from __future__ import annotations

import os
import stat
import struct
import zipfile
from collections.abc import Sequence
from typing import IO

from ..errors import BadArchive

MEMBERS_MAX = 65_000
"""Members of an archive; each takes memory before anything of it is known."""

_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
_LOCAL = struct.Struct("<4s5H3L2H")
_ENTRY, _NAME_MAX, _EXTRA_MAX = 46, 255, 28
_ZIP64_EXTRA, _DESCRIPTOR, _DESCRIPTOR64 = 20, 16, 24
_STREAMED = 1 << 3


def check_end(file: IO[bytes]) -> tuple[int, int]:
    """Where the directory begins, and how many members it names. BadArchive.

    Read before zipfile reads the directory, which it does whole, however long it says to be.
    """
    size = file.seek(0, os.SEEK_END)
    far = _END64.size + _LOCATOR.size + _END.size
    file.seek(max(0, size - far))
    tail = file.read(far)
    if size < _END.size or tail[-_END.size :][:4] != b"PK\5\6":
        raise _odd("it does not end as a zip file does")
    _, disk, first, here, count, length, start, comment = _END.unpack(tail[-_END.size :])
    end = size - _END.size
    if tail[-_END.size - _LOCATOR.size :][:4] == b"PK\6\7" and len(tail) == far:
        end = size - far
        signature, _, _, _, disk, first, here, count, length, start = _END64.unpack(
            tail[: _END64.size]
        )
        if signature != b"PK\6\6":
            raise _odd("its end contradicts itself")
    if disk or first or comment or here != count or start + length != end:
        raise _odd("there is something before its members, or after its directory")
    if count > MEMBERS_MAX or length > count * (_ENTRY + _NAME_MAX + _EXTRA_MAX):
        raise BadArchive(f"more than {MEMBERS_MAX} members, or names that are too long")
    return start, count


def check_members(file: IO[bytes], infos: Sequence[zipfile.ZipInfo], start: int) -> dict[str, int]:
    """Where each member's bytes begin.

    BadArchive unless members fill the file up to `start`, where its directory begins.
    """
    place, found = 0, dict[str, int]()
    for info in sorted(infos, key=lambda one: one.header_offset):
        check_kind(info)
        if info.header_offset != place:
            raise _odd("its members overlap, or something lies between them")
        file.seek(place)
        head = file.read(_LOCAL.size)
        if len(head) != _LOCAL.size:
            raise _odd("it was cut off")
        signature, _, flags, *_, name, extra = _LOCAL.unpack(head)
        if signature != b"PK\3\4" or extra not in (0, _ZIP64_EXTRA):
            raise _odd("a member begins with what is none")
        streamed = _DESCRIPTOR64 if extra else _DESCRIPTOR
        found[info.filename] = place + _LOCAL.size + name + extra
        place = found[info.filename] + info.compress_size
        place += streamed if flags & _STREAMED else 0
    if place != start:
        raise _odd("its members overlap, or something lies between them")
    return found


def check_kind(info: zipfile.ZipInfo) -> None:
    """BadArchive unless the member is a file, stored as it is, that goes by one name."""
    if info.filename != info.orig_filename:
        raise BadArchive(f"{ascii(info.filename)[:80]} goes by two names")
    if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
        mend = "unpack it, and verify the folder"
        raise BadArchive(f"{info.filename} is compressed: no archive of ours is", mend)
    mode = info.external_attr >> 16
    if info.is_dir() or (stat.S_IFMT(mode) not in (0, stat.S_IFREG)) or info.flag_bits & 1:
        raise BadArchive(f"{info.filename} is a link, a folder or encrypted: none of ours is")
    if info.comment or info.extra[:2] not in (b"", b"\1\0") or len(info.extra) > _EXTRA_MAX:
        raise _odd(f"{info.filename} has a comment, or other extras")


def _odd(what: str) -> BadArchive:
    mend = "get it anew; if a program packed it again, unpack it and verify the folder"
    return BadArchive(f"not a zip file as we write them: {what}", mend)
