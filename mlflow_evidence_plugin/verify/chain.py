"""The log on one subject: nothing about it is missing, up to the head that proves it."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import BadLedger, BadRecord
from ..ledger import Checkpoint, Count, Leaf, check_inclusion, count_name
from ..ledger.checkpoint import read_checkpoint
from ..ledger.count import read_count
from ..ledger.leaf import leaf_of
from ..record.canonical import loads
from ..signing import Keyring, PublicKey, open_note


@dataclass(frozen=True)
class Head:
    """A signed head of the log, verified: what it says, and whose signature it bears."""

    checkpoint: Checkpoint
    key: PublicKey


def read_head(note: str, trusted: Keyring) -> Head:
    """Verify, then read. BadSignature, BadEnvelope or BadLedger."""
    origin = note.partition("\n")[0]
    text, key = open_note(note, origin, trusted)
    if trusted.logs and origin not in trusted.logs:
        raise BadLedger(
            f"the head is of the log {origin}, which no trust document names",
            "whoever holds the key may keep two logs: ask the service's operator",
        )
    return Head(read_checkpoint(text), key)


def read_chain(data: bytes, head: Checkpoint, subject: str) -> tuple[Leaf, ...]:
    """Every leaf about a subject, proven under a head, from the first one on; BadLedger.

    `subject` is its digest in the log.
    """
    leaves = [proven(one, head) for one in entries(data)]
    before: Leaf | None = None
    for sequence, leaf in enumerate(leaves):
        if leaf.subject != subject:
            raise BadLedger(f"leaf {sequence} is about another subject")
        if leaf.sequence != sequence or leaf.previous != (before.digest if before else None):
            raise BadLedger(
                f"the statements about the subject are not whole: number {sequence} is missing, "
                "or was put in another's place",
                "get the archive anew; if it stays so, something was removed",
            )
        before = leaf
    if not leaves:
        raise BadLedger("the log has no statement about the subject")
    return tuple(leaves)


def check_count(note: str, trusted: Keyring, expected: Count) -> None:
    """That no leaf about the subject comes after the last one: BadLedger unless it is this count.

    BadSignature or BadEnvelope where nobody trusted signed it.
    """
    text, _ = open_note(note, count_name(expected.head.origin), trusted)
    found = read_count(text)
    if found.head != expected.head or found.subject != expected.subject:
        raise BadLedger("the count of the statements is of another subject, or another head")
    if found.leaves != expected.leaves:
        raise BadLedger(
            f"{found.leaves} statements were signed about the subject, {expected.leaves} are here: "
            "the end was cut off",
            "get the archive anew; if it stays so, something was removed",
        )


def same_log(head: Checkpoint, witnessed: Checkpoint) -> None:
    """BadLedger unless two heads are of one log, at one size, and agree."""
    if head.origin != witnessed.origin:
        raise BadLedger("the witnessed head is another log's")
    if head.size != witnessed.size:
        raise BadLedger(
            f"the archive's head has {head.size} leaves, the witnessed one {witnessed.size}",
            f"ask for the archive under that head: ?size={witnessed.size}",
        )
    if head.root != witnessed.root:
        raise BadLedger("the log was rewritten: two heads of one size differ", "keep both")


def entries(data: bytes) -> Sequence[Any]:
    """The list that a member of the log is; BadLedger for anything else."""
    try:
        found = loads(data)
    except BadRecord as error:
        raise BadLedger(f"the chain is {error.detail}") from error
    if not isinstance(found, list):
        raise BadLedger("the chain is no list")
    return found


def proven(one: Any, head: Checkpoint) -> Leaf:
    """The leaf of an entry `{index, leaf, proof}`, proven under a head; BadLedger."""
    if not isinstance(one, dict) or set(one) != {"index", "leaf", "proof"}:
        raise BadLedger("an entry of the chain has other members than index, leaf and proof")
    index, proof = one["index"], one["proof"]
    if isinstance(index, bool) or not isinstance(index, int) or not isinstance(proof, list):
        raise BadLedger("an entry of the chain is not of the right form")
    try:
        hashes = [base64.b64decode(each, validate=True) for each in proof]
    except (ValueError, TypeError) as error:
        raise BadLedger("a proof in the chain is not base64") from error
    leaf = leaf_of(one["leaf"])
    check_inclusion(leaf.hash, index, head.size, hashes, head.root)
    return leaf
