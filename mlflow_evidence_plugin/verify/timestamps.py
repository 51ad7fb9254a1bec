"""When were the statements of an archive signed? What trusted authorities say of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from ..errors import BadTimestamp, KeyOutOfTime
from ..signing import open_bundle
from ..signing.timestamp import Authorities, Stamp
from .opening import Opened
from .report import UNPROVEN, Checklist
from .stated import Stated

_MOST = 8
_NAMES_SHOWN = 5


def check_timestamps(
    opened: Opened, stated: Sequence[Stated], trusted: Authorities | None, checks: Checklist
) -> tuple[str, ...]:
    """Check every timestamp that there is; and what remains unproven, as lines of the report."""
    kept = {one.name: open_bundle(opened.read(one.name))[2] for one in stated}
    if trusted is not None:
        for one in stated:
            if tokens := kept[one.name]:
                check = partial(_in_time, one, tokens, trusted)
                checks.take(f"{one.name}: timestamp", check, _said)
    return tuple(_unproven(kept, trusted is not None))


def _in_time(one: Stated, tokens: Sequence[bytes], trusted: Authorities) -> Stamp:
    if len(tokens) > _MOST:
        raise BadTimestamp(f"{len(tokens)} timestamps on one statement; {_MOST} are allowed")
    stamps = [trusted.stamped(one.envelope, token) for token in tokens]
    for stamp in stamps:
        if one.key is not None and stamp.outside(one.key):
            raise KeyOutOfTime(f"the key was not in use at {stamp.time}, when it was stamped")
    return min(stamps, key=lambda stamp: stamp.until)


def _said(stamp: Stamp) -> str:
    return f"signed before {stamp.until}, says a trusted authority"


def _unproven(kept: Mapping[str, Sequence[bytes]], checked: bool) -> Iterator[str]:
    lacking = [name for name, tokens in kept.items() if not tokens]
    if len(lacking) == len(kept):
        yield UNPROVEN[0]
    elif not checked:
        yield (
            f"time: {len(kept) - len(lacking)} of {len(kept)} statements have a timestamp, which "
            "was not checked (--tsa), so the key's validity at signing is unproven"
        )
    elif lacking:
        others = f" and {len(lacking) - _NAMES_SHOWN} more" if lacking[_NAMES_SHOWN:] else ""
        yield (
            f"time: there is no timestamp on {', '.join(lacking[:_NAMES_SHOWN])}{others}, so the "
            "key's validity at their signing is unproven"
        )
