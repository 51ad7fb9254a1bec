"""Is a leaf in the log, and did one log grow into another: checked offline, from hashes alone.

The algorithms of RFC 9162, sections 2.1.3.2 and 2.1.4.2, whose trees are those of RFC 6962.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import BadLedger, LedgerForked, LedgerRolledBack
from .merkle import node_hash

HASH_BYTES = 32
LONGEST = 128
"""Hashes in a proof: a log of 2^63 leaves needs fewer."""


def check_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> None:
    """BadLedger unless the leaf with this hash stands at `index` of the log under `root`."""
    _check(proof)
    if not 0 <= index < size:
        raise BadLedger(f"leaf {index} is not in a log of {size} leaves")
    place, last, found = index, size - 1, leaf
    for other in proof:
        if last == 0:
            raise BadLedger("the proof of inclusion is too long")
        if place % 2 or place == last:
            found = node_hash(other, found)
            while place % 2 == 0 and place:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, other)
        place, last = place >> 1, last >> 1
    if last or found != root:
        raise BadLedger(
            f"leaf {index} is not in the log under this head",
            "the proof, the leaf or the head was altered: get them anew",
        )


def check_consistency(
    old: tuple[int, bytes], new: tuple[int, bytes], proof: Sequence[bytes]
) -> None:
    """LedgerRolledBack or LedgerForked unless the log of `old` grew into that of `new`.

    Each is its size and root. BadLedger for a proof of the wrong form.
    """
    _check(proof)
    (before, old_root), (now, new_root) = old, new
    if now < before:
        raise LedgerRolledBack(
            f"the log had {before} leaves and now has {now}: leaves were removed",
            "keep both heads: they prove it",
        )
    if before in (0, now):
        if proof:
            raise BadLedger("the proof of consistency is too long")
        if before and old_root != new_root:
            raise _forked(before, now)
        return
    if (old_root, new_root) != _roots(before, now, proof, old_root):
        raise _forked(before, now)


def _roots(before: int, now: int, proof: Sequence[bytes], old_root: bytes) -> tuple[bytes, bytes]:
    """The old and the new root as a proof makes them."""
    left = [old_root, *proof] if before & (before - 1) == 0 else list(proof)
    if not left:
        raise BadLedger("the proof of consistency is too short")
    place, last = before - 1, now - 1
    while place % 2:
        place, last = place >> 1, last >> 1
    was = is_ = left[0]
    for other in left[1:]:
        if last == 0:
            raise BadLedger("the proof of consistency is too long")
        if place % 2 or place == last:
            was, is_ = node_hash(other, was), node_hash(other, is_)
            while place % 2 == 0 and place:
                place, last = place >> 1, last >> 1
        else:
            is_ = node_hash(is_, other)
        place, last = place >> 1, last >> 1
    if last:
        raise BadLedger("the proof of consistency is too short")
    return was, is_


def _forked(before: int, now: int) -> LedgerForked:
    return LedgerForked(
        f"the log of {before} leaves is not the beginning of the one of {now}: it was rewritten",
        "keep both heads: they prove it",
    )


def _check(proof: Sequence[bytes]) -> None:
    if len(proof) > LONGEST or any(len(one) != HASH_BYTES for one in proof):
        raise BadLedger("not a proof: it is too long, or holds what is no SHA-256")
