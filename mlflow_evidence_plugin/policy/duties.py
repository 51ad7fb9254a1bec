"""Who had a hand in a run, so that nobody approves their own; and which approvals still count."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from unicodedata import normalize

from ..approval import REJECTED, REVOKED, Approval, Waiver
from ..record import Record

IN_FORCE, TAKEN_BACK, EXPIRED, EARLIER = "in-force", "revoked", "expired", "of-earlier-evidence"
VOID = "before-erasure"
_BETWEEN = re.compile(r"[^\w.@+-]+")
_PLAIN = re.compile(r"""[\s<>()\[\]{},;:|/\\"“”‹›«»]+""")
"""What parts words; the second leaves an address whole that has an apostrophe, say."""

_EDGES = ".-'"
_SPLIT = re.compile(r"[@\s]")
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")
_GUEST = re.compile(r"(?P<local>.+)_(?P<domain>[^_@]+)#ext#@.+")
"""Who was invited into a directory of Azure: `ana_example.org#EXT#@contoso.onmicrosoft.com`."""


def hand_in(record: Record, person: str) -> str | None:
    """What somebody is to a run or version: `the run's user`, say; None for who has no part.

    `ana` and `ana@example.org` are taken for the same person: the registry often knows only one.
    Each word of what stands there counts: `Ana Ruiz <ana@example.org>`, `ana; bob`, `example\\ana`.
    """
    called = _called(person)
    for name, as_what in _hands(record):
        if any(same_person(one, other) for one in _words(name) for other in called):
            return as_what
        if _full_name(name, person):
            return as_what
    return None


def same_person(one: str, other: str) -> bool:
    """Whether two names are one person's, as far as names can tell."""
    first, second = folded(one), folded(other)
    if "@" in first and "@" in second:
        return first == second
    return bool(first) and first.partition("@")[0] == second.partition("@")[0]


def folded(name: str) -> str:
    """A name as it is compared: the same letters may be written in several ways."""
    # Accents apart or at once, capitals, wide letters.
    plain = normalize("NFKC", normalize("NFKC", name).casefold()).strip()
    guest = _GUEST.fullmatch(plain)
    return f"{guest['local']}@{guest['domain']}" if guest else plain


def _words(name: str) -> set[str]:
    """Each of a name's words may be somebody's."""
    whole = folded(name)
    return _trimmed({whole, *_BETWEEN.split(whole), *_PLAIN.split(whole)})


def _called(person: str) -> set[str]:
    """What somebody who acts may be called: not by each word, for others share a first name."""
    whole = folded(person)
    addresses = [one for one in _PLAIN.split(whole) if _ADDRESS.fullmatch(one)]
    account = whole.rpartition("\\")[2]  # EXAMPLE\ana
    return _trimmed({whole, account, *addresses})


def _full_name(one: str, other: str) -> bool:
    """Whether two names have the same words, in any order: `Ruiz, Ana` is `Ana Ruiz (ML)`."""
    first, second = ({w for w in _words(name) if not _SPLIT.search(w)} for name in (one, other))
    return min(len(first), len(second)) > 1 and (first <= second or second <= first)


def _trimmed(words: set[str]) -> set[str]:
    return {one.strip(_EDGES) for one in words} - {""}


def state_of(entry: Approval, entries: Sequence[Approval], release: str, at: str) -> str:
    """Whether an entry counts for a release at a time, and if not, why."""
    if any(one.decision == REVOKED and one.revokes == entry.statement for one in entries):
        return TAKEN_BACK
    if entry.release != release:
        return EARLIER
    if entry.void:
        return VOID
    return EXPIRED if entry.expires_at is not None and entry.expires_at <= at else IN_FORCE


def since_erasure(said: Sequence[Approval | Waiver | None]) -> list[Approval | Waiver]:
    """Approvals and waivers in the log's order, where None stands for an erasure.

    What lets a release through is void from before the last one: with the evidence a rejection may
    have gone, or that something was taken back. A rejection stays.
    """
    last = max((place for place, one in enumerate(said) if one is None), default=-1)
    return [
        replace(one, void=place < last and not _stops(one))
        for place, one in enumerate(said)
        if one is not None
    ]


def _stops(one: Approval | Waiver) -> bool:
    return isinstance(one, Approval) and one.decision == REJECTED


def _hands(record: Record) -> Iterator[tuple[str, str]]:
    governance = record.values("governance")
    told = {
        "the run's user": record.value("run", "user"),
        "the version's creator": record.value("version", "creator"),
        "the owner": governance.get("owner"),
        "who resumed the run": governance.get("resumed.owner"),
        "the run's user by its tag": record.value("tags", "mlflow.user"),
    }
    for as_what, name in told.items():
        if isinstance(name, str):
            yield name, as_what
