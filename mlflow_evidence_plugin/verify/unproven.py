"""What an archive does not prove, said plainly: beside the checks, and also where they all pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..record import Record
from ..statements import Release
from ..statements.decision import Summary
from .members import MATERIALS, unsigned
from .opening import Opened
from .stated import Stated


def parts(record: Record) -> Iterator[str]:
    """Digests of what a record was made from: histories and files."""
    for series in record.values("history").values():
        yield str(series["digest"])
    for section in ("outputs", "model_files"):
        for file in record.values(section).values():
            yield f"sha256:{file['sha256']}"


def left_open(opened: Opened, stated: Sequence[Stated], main: Record) -> Iterator[str]:
    """Lines of the report."""
    if names := unsigned(opened):
        others = f" and {len(names) - 5} more" if names[5:] else ""
        yield f"nobody signed {', '.join(names[:5])}{others}: anyone may have changed it"
    here = {"sha256:" + name.removeprefix(MATERIALS) for name in opened.sizes}
    if absent := set(parts(main)) - here:
        yield f"{len(absent)} files or histories are not here: the record has their digests"
    if stated:
        yield f"the end: statements that were signed after number {len(stated)} may be left out"
    releases = [one.said.record for one in stated if isinstance(one.said, Release)]
    if releases and releases[-1] != main.digest:
        yield f"newest: evidence was first signed after this, the record {releases[-1]}"
    verdicts = [one.said.decision for one in stated if isinstance(one.said, Summary)]
    if any(one["baselines"] for one in verdicts):
        yield "baselines: which version held an alias is what the service said then"
    yield from (f"{one.name}: {one.signer}" for one in stated if one.key is None)
