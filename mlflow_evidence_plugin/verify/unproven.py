"""What an archive does not prove, said plainly: beside the checks, and also where they all pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..record import Record
from ..statements import Release, Tombstone
from ..statements.decision import Summary
from .beside import TOLD
from .members import COUNT, FILES, MATERIALS, unsigned
from .opening import Opened
from .stated import Stated


def parts(record: Record) -> Iterator[str]:
    """Digests of what a record was made from: histories and files."""
    for series in record.values("history").values():
        yield str(series["digest"])
    for section in FILES:
        for file in record.values(section).values():
            yield f"sha256:{file['sha256']}"


def left_open(
    opened: Opened, stated: Sequence[Stated], main: Record, omitted: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    """Lines of the report; `omitted` is what the archive says that it leaves out."""
    if names := unsigned(opened):
        others = f" and {len(names) - 5} more" if names[5:] else ""
        yield f"nobody signed {', '.join(names[:5])}{others}: anyone may have changed it"
    here = {"sha256:" + name.removeprefix(MATERIALS) for name in opened.sizes}
    if why := Counter(one["reason"] for one in omitted):
        told = ", ".join(f"{count} {reason}" for reason, count in sorted(why.items()))
        yield f"{len(omitted)} files are not here: {told}; nobody signed these reasons"
    if absent := set(parts(main)) - here - {one["digest"] for one in omitted}:
        yield f"{len(absent)} files or histories are not here: the record has their digests"
    if stated and COUNT not in opened.sizes:
        yield f"the end: statements that were signed after number {len(stated)} may be left out"
    releases = [one.said.record for one in stated if isinstance(one.said, Release)]
    if releases and releases[-1] != main.digest:
        yield f"newest: evidence was first signed after this, the record {releases[-1]}"
    for one in stated:
        if isinstance(one.said, Tombstone):
            gone, said = len(one.said.erased), one.said
            yield f"erased: {gone} statements on {said.record}, at {said.at}: {said.reason}"
    verdicts = [one.said.decision for one in stated if isinstance(one.said, Summary)]
    if any(one["baselines"] for one in verdicts):
        yield "baselines: which version held an alias is what the service said then"
    beside = {name for one in verdicts for name in TOLD if name in one.get("beside", {})}
    if beside:
        yield f"beside: {', '.join(sorted(beside))}: what the service said of them then"
    yield from (f"{one.name}: {one.signer}" for one in stated if one.key is None)
