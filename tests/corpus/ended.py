"""An archive whose end was cut off, and one from which more is gone than was erased."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from mlflow_evidence_plugin.ledger import Checkpoint, Count, Leaf, count_name, subject_digest
from mlflow_evidence_plugin.ledger.count import read_count
from mlflow_evidence_plugin.record import canonical, digest_of
from mlflow_evidence_plugin.signing import Keyring, open_note, sign_note
from mlflow_evidence_plugin.statements import TOMBSTONE

from .forge import Forge
from .good import World
from .held import CHAIN, CHECKPOINT, without

COUNT = "ledger/count"


def told(forge: Forge) -> Count:
    """What the archive's count says."""
    note = forge.members[COUNT].decode()
    return read_count(open_note(note, count_name(forge.origin), Keyring.of([_pem(forge)]))[0])


def _pem(forge: Forge) -> bytes:
    return forge.key.public_pem


def _counted(change: Any, stranger: bool = False) -> Any:
    def make(w: World) -> Forge:
        forge = w.good.copy()
        return forge.count(change(told(forge), w), w.stranger if stranger else None)

    return make


def _uncounted(cut: Any) -> Any:
    def make(w: World) -> Forge:
        forge = cut(w)
        forge.members = {n: data for n, data in forge.members.items() if n != COUNT}
        return forge

    return make


def _member(name: str, data: Any) -> Any:
    def make(w: World) -> Forge:
        forge = w.good.copy()
        forge.members[name] = data(forge)
        return forge

    return make


def _of_another(count: Count, w: World) -> Count:
    return replace(count, subject=subject_digest(w.other.record.subject))


def _under_another(count: Count, w: World) -> Count:
    return replace(count, head=replace(count.head, size=count.head.size - 1))


def _more(count: Count, w: World) -> Count:
    return replace(count, leaves=count.leaves + 1)


def _elsewhere(count: Count, w: World) -> Count:
    return replace(count, head=Checkpoint("evil.example/log", count.head.size, count.head.root))


def _in_words(forge: Forge) -> bytes:
    name = count_name(forge.origin)
    text = told(forge).text.replace(f"\n{told(forge).leaves}\n", "\nseventeen\n")
    return sign_note(text, name, forge.key).encode()


def _recounted(forge: Forge) -> bytes:
    count = told(forge).leaves
    return forge.members[COUNT].replace(b"\n%d\n" % count, b"\n%d\n" % (count - 2))


def _logged(forge: Forge) -> list[str]:
    return [one["leaf"]["statement"] for one in json.loads(forge.members[CHAIN])]


def _relogged(forge: Forge, logged: list[str]) -> Forge:
    """A log of these statements, also of those that are not here, signed by the key."""
    leaves, before = [], None
    subject = subject_digest(forge.record.subject)
    for sequence, one in enumerate(logged):
        leaves.append(Leaf(subject, sequence, before, one))
        before = leaves[-1].digest
    return forge.log(leaves)


def _without(change: Any) -> Any:
    """The archive of what is left after an erasure, with other statements than it had."""

    def make(w: World) -> Forge:
        forge = w.erased.copy()
        return forge.restate(change(forge.envelopes()))

    return make


def _too_early(w: World) -> Forge:
    """The tombstone comes before what it says was erased."""
    forge = w.erased.copy()
    (place,) = forge.places(TOMBSTONE)
    envelopes, logged = forge.envelopes(), _logged(forge)
    first = envelopes.pop(place)
    logged.remove(digest_of(first))
    forge.restate([first, *envelopes])
    return _relogged(forge, [digest_of(first), *logged])


def _tombstone(change: Any, **how: Any) -> Any:
    """Another tombstone, in a log that still has the leaves of what was erased."""

    def make(w: World) -> Forge:
        forge = w.erased.copy()
        logged, (place,) = _logged(forge), forge.places(TOMBSTONE)
        was = digest_of(forge.envelopes()[place])
        key = w.stranger if how else None
        forge.resign(TOMBSTONE, change, key=key)
        now = digest_of(forge.envelopes()[place])
        return _relogged(forge, [now if one == was else one for one in logged])

    return make


def _beside(change: Any) -> Any:
    """A tombstone of another subject, as it lies beside a verdict on an erased baseline."""

    def make(w: World) -> Forge:
        forge = w.good.copy()
        (place,) = w.erased.places(TOMBSTONE)
        entry = json.loads(w.erased.members[CHAIN])[
            _logged(w.erased).index(digest_of(w.erased.envelopes()[place]))
        ]
        envelope = json.loads(w.erased.envelopes()[place])
        one = entry | {"envelope": envelope}
        change(one, forge)
        forge.members["ledger/tombstones.json"] = canonical([one])
        return forge

    return make


ENDED = {
    "bad-ledger__end-cut-off-with-its-leaves": without(-1, -2, log=True),
    "bad-ledger__end-cut-off-and-the-count-removed": _uncounted(without(-1, -2, log=True)),
    "bad-ledger__count-removed": _uncounted(lambda w: w.good.copy()),
    "bad-ledger__count-of-another-subject": _counted(_of_another),
    "bad-ledger__count-under-another-head": _counted(_under_another),
    "bad-ledger__count-of-more-than-there-are": _counted(_more),
    "bad-signature__count-of-another-log": _counted(_elsewhere),
    "bad-signature__count-by-a-stranger": _counted(lambda count, w: count, stranger=True),
    "bad-signature__count-altered": _member(COUNT, _recounted),
    "bad-signature__checkpoint-as-the-count": _member(COUNT, lambda f: f.members[CHECKPOINT]),
    "bad-ledger__count-as-the-checkpoint": _member(CHECKPOINT, lambda f: f.members[COUNT]),
    "bad-ledger__count-in-words": _member(COUNT, _in_words),
    "bad-ledger__count-that-is-not-utf8": _member(COUNT, lambda f: b"\xff\n"),
    "bad-envelope__count-without-signature": _member(COUNT, lambda f: b"x\n1\n"),
    "bad-ledger__tombstone-dropped": _without(lambda all_: all_[1:]),
    "bad-ledger__more-missing-than-was-erased": _without(lambda all_: all_[:-1]),
    "bad-ledger__tombstone-before-what-it-erased": _too_early,
    "bad-ledger__tombstone-that-names-less": _tombstone(
        lambda s: s["predicate"].update(erased=s["predicate"]["erased"][1:])
    ),
    "bad-signature__tombstone-by-a-stranger": _tombstone(lambda s: None, stranger=True),
    "bad-archive__tombstone-of-another-subject": _tombstone(
        lambda s: s["subject"][0].update(name="models/patients/7")
    ),
    "bad-envelope__tombstone-with-two-lines": _tombstone(
        lambda s: s["predicate"].update(reason="a\nb")
    ),
    "bad-envelope__tombstone-without-a-time": _tombstone(lambda s: s["predicate"].update(at="now")),
    "bad-ledger__tombstone-beside-in-another-place": _beside(
        lambda one, forge: one.update(index=one["index"] + 1)
    ),
    "bad-ledger__tombstone-beside-that-is-none": _beside(
        lambda one, forge: one.update(envelope=json.loads(forge.envelopes()[0]))
    ),
    "bad-ledger__tombstone-beside-under-another-leaf": _beside(
        lambda one, forge: one.update(json.loads(forge.members[CHAIN])[0])
    ),
    "bad-signature__tombstone-beside-that-was-altered": _beside(
        lambda one, forge: one["envelope"].update(payload=one["envelope"]["payload"][4:])
    ),
    "bad-ledger__tombstones-that-are-no-list": _member("ledger/tombstones.json", lambda f: b"{}"),
    "bad-ledger__tombstones-of-no-form": _member("ledger/tombstones.json", lambda f: b"[1]"),
}
