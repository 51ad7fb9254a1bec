"""The shape of a Merkle tree (RFC 6962, section 2.1): which nodes there are and how they combine.

A node is `(level, index)`: the root of the complete subtree over the leaves from `index << level`
on, `1 << level` of them. Complete subtrees never change, so that they are all that is kept. Every
other hash is made from a few of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

Node = tuple[int, int]
Range = tuple[int, int]
"""Leaves from the first to before the second."""

EMPTY_ROOT = hashlib.sha256().digest()


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf; the prefix keeps leaves and nodes apart."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of a node over its two children."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def complete(of: Range) -> list[Node]:
    """The complete subtrees that make up a range of the tree, from left to right."""
    first, end = of
    nodes = []
    while first < end:
        most = (end - first).bit_length() - 1
        level = min(most, (first & -first).bit_length() - 1) if first else most
        nodes.append((level, first >> level))
        first += 1 << level
    return nodes


def root(of: Range, known: Mapping[Node, bytes]) -> bytes:
    """The root over a range, from the hashes of its complete subtrees."""
    hashes = [known[node] for node in complete(of)]
    if not hashes:
        return EMPTY_ROOT
    found = hashes.pop()
    while hashes:  # the tree leans to the left: what is on the right is joined first
        found = node_hash(hashes.pop(), found)
    return found


def inclusion(index: int, size: int) -> list[Range]:
    """The ranges whose roots prove that a leaf is in a tree, from the leaf upward."""
    return list(reversed(list(_inclusion(index, (0, size)))))


def consistency(old: int, size: int) -> list[Range]:
    """The ranges whose roots prove that a tree of `old` leaves grew into one of `size`.

    Section 2.1.2: nothing where the old tree is empty, or is the new one.
    """
    if old in (0, size):
        return []
    return list(reversed(list(_consistency(old, (0, size)))))


def grown(size: int, frontier: Mapping[Node, bytes], leaves: Sequence[bytes]) -> dict[Node, bytes]:
    """The nodes that become complete when leaves are added.

    `frontier` holds the hashes of `complete((0, size))`; `leaves` are hashes of the new ones.
    """
    made: dict[Node, bytes] = {}
    for place, leaf in enumerate(leaves, size):
        level, index, found = 0, place, leaf
        made[level, index] = found
        while index % 2:
            left = (level, index - 1)
            found = node_hash(made[left] if left in made else frontier[left], found)
            level, index = level + 1, index // 2
            made[level, index] = found
    return made


def nodes(ranges: Iterable[Range]) -> set[Node]:
    """All nodes that are needed for the roots over some ranges."""
    return {node for one in ranges for node in complete(one)}


def _split(of: Range) -> int:
    """Where a range parts: its left half is the largest complete tree that is not all of it."""
    first, end = of
    return first + (1 << (end - first - 1).bit_length() - 1)


def _inclusion(index: int, of: Range) -> Iterator[Range]:
    while of[1] - of[0] > 1:
        middle = _split(of)
        left, right = (of[0], middle), (middle, of[1])
        of, other = (left, right) if index < middle else (right, left)
        yield other


def _consistency(old: int, of: Range) -> Iterator[Range]:
    whole = True  # whether what is left is a tree that the old head itself stood for
    while of[1] != old:
        middle = _split(of)
        left, right = (of[0], middle), (middle, of[1])
        if old <= middle:
            of, other = left, right
        else:
            of, other, whole = right, left, False
        yield other
    if not whole:
        yield of
