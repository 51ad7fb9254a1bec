"""What is wrong with the file or folder itself, and with JSON wherever it stands."""

from __future__ import annotations

import io
import json
import os
import stat
import struct
import zipfile
from pathlib import Path
from typing import Any

from mlflow_evidence_plugin.record import canonical, digest_of
from mlflow_evidence_plugin.statements import RELEASE_EVIDENCE

from .forge import Forge
from .good import World

END = 22
JUNK = {
    "nan": b'{"x":NaN,',
    "infinity": b'{"x":-Infinity,',
    "duplicate-keys": b'{"x":1,"x":2,',
    "deep-nesting": b'{"x":' + b"[" * 60_000 + b"]" * 60_000 + b",",
    "invalid-utf8": b'{"x":"\xff",',
    "huge-integer": b'{"x":' + b"9" * 6_000 + b",",
    "half-a-character": b'{"\\ud800":1,',
}
"""Put where the first object begins."""


def junk(data: bytes, kind: str) -> bytes:
    return data.replace(b"{", JUNK[kind], 1)


def _bundle(kind: str) -> Any:
    def make(w: World) -> Forge:
        forge = w.good.copy()
        forge.members[forge.names()[0]] = junk(forge.members[forge.names()[0]], kind)
        return forge

    return make


def _member(name: str, kind: str) -> Any:
    def make(w: World) -> Forge:
        forge = w.good.copy()
        forge.members[name] = junk(forge.members[name], kind)
        return forge

    return make


def _payload(kind: str) -> Any:
    return lambda w: w.good.copy().resign(RELEASE_EVIDENCE, lambda s: junk(canonical(s), kind))


def with_record(w: World, data: bytes) -> Forge:
    """Other bytes as the record, which the key signs."""
    forge, digest = w.good.copy(), digest_of(data)
    record = {"record": digest}
    forge.resign(RELEASE_EVIDENCE, lambda s: s["predicate"]["record"].update(digest=digest))
    forge.members[f"materials/sha256/{digest[7:]}"] = data
    forge.members["archive.json"] = canonical(forge.manifest | record)
    return forge


def _record(kind: str) -> Any:
    return lambda w: with_record(w, junk(w.good.record.data, kind))


def _trust(kind: str) -> Any:
    def make(w: World) -> Any:
        return w.good, "--trust", str(w.given(f"{kind}.json", junk(w.trust.read_bytes(), kind)))

    return make


def _everywhere() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for kind in JUNK:
        half = kind == "half-a-character"  # JSON as such: what it stands in refuses it
        found |= {
            f"bad-envelope__{kind}-in-a-bundle": _bundle(kind),
            f"bad-envelope__{kind}-in-a-payload": _payload(kind),
            f"bad-record__{kind}-in-a-record": _record(kind),
            f"bad-ledger__{kind}-in-the-chain": _member("ledger/chain.json", kind),
            f"bad-{'archive' if half else 'record'}__{kind}-in-the-manifest": _member(
                "archive.json", kind
            ),
            f"bad-config__{kind}-in-the-trust-document": _trust(kind),
        }
    # No reader of ours looks at members of a trust document that it does not know.
    del found["bad-config__half-a-character-in-the-trust-document"]
    return found


def _zip(change: Any) -> Any:
    return lambda w: change(w.good.zip())


def _with(info: str | zipfile.ZipInfo, data: bytes = b"x", **how: Any) -> Any:
    """The good archive with a member more, as zipfile writes it."""

    def make(w: World) -> bytes:
        out = io.BytesIO(w.good.zip())
        with zipfile.ZipFile(out, "a") as file:
            file.writestr(info, data, **how)
        return out.getvalue()

    return make


def _entry(name: str, mode: int = 0o100644) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, mode << 16
    return info


def _renamed(old: bytes, new: bytes) -> Any:
    """A member whose name is replaced by one of the same length, as no library would write it."""

    def make(w: World) -> bytes:
        return w.good.zip().replace(old, new)

    return make


def _end(data: bytes) -> list[Any]:
    return list(struct.unpack("<4s4H2LH", data[-END:]))


def _overlapping(data: bytes) -> bytes:
    """Every member's data is the same data: the bomb that needs no compression."""
    end = _end(data)
    place, raw = end[6], bytearray(data)
    for _ in range(end[4]):
        names = struct.unpack("<3H", raw[place + 28 : place + 34])
        raw[place + 42 : place + 46] = struct.pack("<L", 0)
        place += 46 + sum(names)
    return bytes(raw)


def _declared(data: bytes) -> bytes:
    """A member that says it has four gigabytes."""
    raw, place = bytearray(data), _end(data)[6]
    raw[place + 20 : place + 28] = struct.pack("<2L", 0xFFFF_FFF0, 0xFFFF_FFF0)
    return bytes(raw)


def _bits(offset: int, value: int) -> Any:
    """One field of the first entry of the directory."""

    def make(data: bytes) -> bytes:
        raw, place = bytearray(data), _end(data)[6]
        raw[place + offset : place + offset + 2] = struct.pack("<H", value)
        return bytes(raw)

    return make


def _crowded(w: World) -> bytes:
    """A directory of a million and a half of entries without names."""
    entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", *[0] * 16)
    count = 1_500_000
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, len(entry) * count, 0, 0)
    return entry * count + end


def _gap(data: bytes) -> bytes:
    """A member that the directory does not know."""
    end = _end(data)
    cut = end[6]
    hidden = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 0, 0, 0, 0, 0, 0, 1, 0) + b"h"
    end[6] += len(hidden)
    return data[:cut] + hidden + data[cut:-END] + struct.pack("<4s4H2LH", *end)


def _compressed(w: World) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in w.good.members.items():
            file.writestr(name, data)
        with file.open("materials/sha256/" + "0" * 64, "w") as bomb:
            for _ in range(200):
                bomb.write(bytes(1 << 20))
    return out.getvalue()


def _folder(change: Any) -> Any:
    """The archive, unpacked, and then changed."""

    def make(w: World) -> Path:
        place = w.folder / f"folder-{len(list(w.folder.iterdir()))}"
        for name, data in w.good.members.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes(data)
        change(place, w)
        return place

    return make


def _linked(place: Path, w: World) -> None:
    (place / "VERIFY.md").unlink()
    (place / "VERIFY.md").symlink_to("/etc/passwd")


def _linked_folder(place: Path, w: World) -> None:
    (place / "ledger").rename(w.folder / f"{place.name}-ledger")
    (place / "ledger").symlink_to(w.folder / f"{place.name}-ledger")


def _deep(place: Path, w: World) -> None:
    here = os.open(place, os.O_RDONLY)
    for _ in range(1_500):
        os.mkdir("a", dir_fd=here)
        inner = os.open("a", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)


def _empty(w: World) -> Path:
    (w.folder / "empty-folder").mkdir()
    return w.folder / "empty-folder"


def _fifo(place: Path, name: str) -> Path:
    path = place / name
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    return path


def _served(w: World, change: Any) -> bytes:
    """A bundle, as the service serves it."""
    record = w.good.record
    one = w.good.envelopes()[w.good.places(RELEASE_EVIDENCE)[-1]]
    found = {"digest": record.digest, "statements": [json.loads(one)], "record": record.document}
    change(found)
    return json.dumps(found).encode()


def _only_files(w: World) -> Any:
    """A record that flatters, beside the true statement on its files, which says nothing of it."""

    def change(found: Any) -> None:
        found["record"] = json.loads(json.dumps(found["record"]))
        found["record"]["metrics"]["facts"]["auc"]["value"]["value"] = "0.999"
        found["digest"] = digest_of(canonical(found["record"]))
        names = w.good.names()
        place = next(n for n, name in enumerate(names) if n > 6 and "model-signature" in name)
        found["statements"] = [json.loads(w.good.envelopes()[place])]

    return _served(w, change)


SHAPED = {
    **_everywhere(),
    "bad-archive__name-that-leads-up": _with("../../etc/passwd"),
    "bad-archive__name-that-leads-up-from-within": _with("trust/../../x"),
    "bad-archive__absolute-name": _with("/etc/passwd"),
    "bad-archive__name-of-a-drive": _with("C:/x"),
    "bad-archive__name-with-backslashes": _with("trust\\..\\x"),
    "bad-archive__name-with-a-nul": _renamed(b"trust/trust.json", b"trust/trust\0json"),
    "bad-archive__name-that-is-not-ascii": _with("trust/größe"),
    "bad-archive__name-that-is-empty": _with("trust//x"),
    "bad-archive__symbolic-link": _with(_entry("trust/link", stat.S_IFLNK | 0o777), b"/etc/passwd"),
    "bad-archive__pipe-as-a-member": _with(_entry("trust/pipe", stat.S_IFIFO | 0o644)),
    "bad-archive__folder-as-a-member": _with(_entry("trust/keys/", stat.S_IFDIR | 0o755), b""),
    "bad-archive__two-members-of-one-name": _with("archive.json"),
    "bad-archive__member-with-a-second-name": _with(
        (lambda i: (setattr(i, "extra", struct.pack("<HHBL", 0x7075, 6, 1, 0) + b"x"), i)[1])(
            _entry("trust/a")
        )
    ),
    "bad-archive__compressed-bomb": _compressed,
    "bad-archive__members-that-overlap": _zip(_overlapping),
    "bad-archive__member-that-says-it-is-huge": _zip(_declared),
    "bad-archive__encrypted": _zip(_bits(8, 1)),
    "bad-archive__unknown-compression": _zip(_bits(10, 99)),
    "bad-archive__archive-in-an-archive": lambda w: _with("inner.evidence.zip", w.good.zip())(w),
    "bad-archive__directory-of-millions": _crowded,
    "bad-archive__member-that-the-directory-hides": _zip(_gap),
    "bad-archive__cut-in-the-middle": _zip(lambda data: data[: len(data) // 2]),
    "bad-archive__cut-at-the-end": _zip(lambda data: data[:-1]),
    "bad-archive__cut-at-the-start": _zip(lambda data: data[100:]),
    "bad-archive__empty-file": lambda w: b"",
    "bad-archive__empty-zip": lambda w: b"PK\5\6" + bytes(18),
    "bad-archive__no-zip-at-all": lambda w: b"\x7fELF" * 100,
    "bad-archive__data-behind-it": _zip(lambda data: data + b"#!/bin/sh\n"),
    "bad-archive__comment-behind-it": _zip(lambda data: data[:-2] + b"\x05\0hello"),
    "bad-archive__data-before-it": _zip(lambda data: b"#!/bin/sh\nexit 0\n" + data),
    "bad-archive__two-ends": _zip(lambda data: data + data[-END:]),
    "bad-archive__two-archives": _zip(lambda data: data + data),
    "bad-archive__flipped-byte-in-a-member": _zip(
        lambda data: data.replace(
            b'"schema":"https://mlflow-evidence.dev/archive',
            b'"schema":"Https://mlflow-evidence.dev/archive',
        )
    ),
    "bad-archive__linked-file-in-a-folder": _folder(_linked),
    "bad-archive__linked-folder-in-a-folder": _folder(_linked_folder),
    "bad-archive__pipe-in-a-folder": _folder(lambda place, w: _fifo(place, "VERIFY.md")),
    "bad-archive__pipe-in-place-of-a-statement": _folder(
        lambda place, w: _fifo(place, w.good.names()[0])
    ),
    "bad-archive__folders-without-end": _folder(_deep),
    "bad-archive__pipe": lambda w: _fifo(w.folder, "pipe.zip"),
    "bad-archive__device": lambda w: Path("/dev/zero"),
    "bad-archive__folder-that-is-empty": _empty,
    "bad-record__record-of-an-unknown-version": lambda w: with_record(
        w, w.good.record.data.replace(b"dev/record/v1", b"dev/record/v2")
    ),
    "bad-record__record-with-spaces": lambda w: with_record(w, w.good.record.data + b"\n"),
    "bad-record__bundle-cut": lambda w: _served(w, lambda b: None)[:-40],
    "bad-record__bundle-with-another-metric": lambda w: _served(
        w, lambda b: b.update(record=w.denied.record.document)
    ),
    "bad-signature__bundle-without-statements": lambda w: _served(
        w, lambda b: b.update(statements=[])
    ),
    "bad-signature__bundle-whose-record-nobody-signed": _only_files,
    "bad-archive__bundle-with-half-a-character": lambda w: junk(
        _served(w, lambda b: b["record"]), "half-a-character"
    ).replace(b'"record": {', b'"record": {"\\ud800":1,', 1),
}
