"""Does an archive hold? Every statement, record, material and verdict in it, and the log on them.

Needs no network, and nothing that the archive itself vouches for: keys come from the caller.
Nothing is read before a signature names it: records and policies go by their signed digests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import BadArchive, BadSignature
from ..ledger import subject_digest
from ..record import Record
from ..signing import Keyring
from ..signing.timestamp import Authorities
from ..statements import Release, Tombstone
from ..statements.decision import Summary, Tested
from .beside import named_by
from .bundle import binds, verdict_of
from .chain import Head, read_head, same_log
from .erased import Gone
from .foreign import Foreign, about
from .logged import Log, note_text
from .materials import Materials
from .members import (
    CHECKPOINT,
    Hashing,
    check_copies,
    check_materials,
    check_names,
    check_omitted,
    read_manifest,
)
from .opening import Opened, open_archive
from .report import UNPROVEN, UNWITNESSED, WITNESSED, Checklist, Report
from .stated import STATEMENTS, Stated, read_stated
from .timestamps import check_timestamps
from .unproven import left_open
from .verdict import check_inputs, in_force, rederived, tested_again


@dataclass(frozen=True)
class Expected:
    """What the caller insists on.

    `decision` names an environment in which the newest verdict must be a pass that holds `now`
    (RFC 3339, UTC); `subject` is `models/NAME/VERSION` or `runs/ID`, `store` the tracking store
    that it is of; `witness` is a signed head of the log that somebody kept elsewhere;
    `authorities` are those whose timestamps are checked and count.
    """

    now: str
    subject: str | None = None
    decision: str | None = None
    witness: str | None = None
    store: str | None = None
    authorities: Authorities | None = None


def verify_archive(path: Path, trusted: Keyring, expected: Expected) -> Report:
    """Check an archive, or its unpacked folder. Errors in it are findings of the report."""
    checks = Checklist()
    opened = checks.take("archive", lambda: open_archive(path), lambda o: f"{len(o.sizes)} members")
    if opened is None:
        return Report(tuple(checks.done))
    hashing = Hashing(opened)
    try:
        return _Verifying(opened, hashing, trusted, expected, checks).report()
    finally:
        hashing.close()
        opened.close()


class _Verifying:
    def __init__(
        self,
        opened: Opened,
        hashing: Hashing,
        trusted: Keyring,
        expected: Expected,
        checks: Checklist,
    ) -> None:
        self.opened, self.hashing = opened, hashing
        self.trusted, self.expected, self.checks = trusted, expected, checks
        self.materials = Materials(opened)
        self.stated: list[Stated] = []
        self.omitted: list[dict[str, Any]] = []
        self.gone = Gone()
        self.verdicts: dict[str, str] = {}

    def report(self) -> Report:
        take = self.checks.take
        told = take("manifest", partial(read_manifest, self.opened), lambda m: f"of {m['record']}")
        for name in sorted(n for n in self.opened.sizes if n.startswith(STATEMENTS)):
            if one := take(name, partial(self._statement, name), lambda s: s.signer):
                self.stated.append(one)
        if told is None:
            return Report(tuple(self.checks.done))
        record = take("record", partial(self._main, told), _named)
        if record is None:
            return Report(tuple(self.checks.done))
        # Those that name a record come first: the others are about one of these.
        for one in sorted(self.stated, key=lambda one: not hasattr(one.said, "record")):
            take(f"{one.name}: subject", partial(self._bound, one, record), _bound_to)
        self._members(record)
        head = take("ledger head", self._head, lambda h: f"{h.checkpoint.size} leaves, {_log(h)}")
        if head is not None:
            log = Log(self.opened, self.trusted, head.checkpoint, subject_digest(record.subject))
            self.gone = log.check(self.stated, self.checks)
        self._judged(record)
        return self._ended(head, record)

    def _members(self, main: Record) -> None:
        opened, stated, take = self.opened, self.stated, self.checks.take
        take("members", lambda: check_names(opened, stated), lambda n: f"{n}, all of them known")
        known = set(self.materials.named(self.stated))
        take(
            "materials",
            lambda: check_materials(self.hashing, known),
            lambda n: f"{n} have the digests that they are named by",
        )
        copies = partial(check_copies, opened, stated, main)
        take("copies", copies, lambda n: f"{n} say what the statements say")

    def _judged(self, main: Record) -> None:
        for place, one in enumerate(self.stated):
            before = self.stated[:place]
            if isinstance(one.said, Tested | Summary) and self.gone.needed(one.said):
                continue  # said by what is left open
            if isinstance(one.said, Tested):
                again = partial(self._tested, one.said, before)
                self.checks.take(f"{one.name}: tests", again, lambda _: "derived again")
            elif isinstance(one.said, Summary):
                verdict = partial(self._verdict, one.said, before)
                said = f"{one.name}: verdict"
                made = self.checks.take(said, verdict, lambda d: f"{d.status}, derived again")
                self._newest(one.said, made is not None)
        if environment := self.expected.decision:
            lost = self._underivable()
            now = self.expected.now
            force = partial(in_force, self.stated, environment, main.digest, now, set(lost))
            self.checks.take("decision", force, lambda s: f"holds until {s.decision['expires_at']}")

    def _newest(self, said: Summary, holds: bool) -> None:
        """A later verdict takes the place of an earlier one, also where it does not hold."""
        environment = str(said.decision.get("environment"))
        self.verdicts.pop(environment, None)
        if holds:
            self.verdicts[environment] = verdict_of(said)

    def _ended(self, head: Head | None, main: Record) -> Report:
        completeness = UNWITNESSED
        if self.expected.witness is not None and head is not None:
            witnessed = self.checks.take("witness", partial(self._witnessed, head), lambda s: s)
            completeness = WITNESSED if witnessed else UNWITNESSED
        trusted = self.expected.authorities
        unproven = check_timestamps(self.opened, self.stated, trusted, self.checks)
        unproven += UNPROVEN[1:] if completeness is UNWITNESSED else ()
        left = tuple(left_open(self.opened, self.stated, main, self.omitted))
        left += tuple(
            f"{name}: not derived again: it was made from what was erased since"
            for name in self._underivable().values()
        )
        verdicts = tuple(self.verdicts.values())
        done = tuple(self.checks.done)
        return Report(done, unproven + left, completeness, main.subject.name, verdicts)

    def _underivable(self) -> dict[str, str]:
        """Verdicts and test results that were made from what was erased: digest and name."""
        return {
            one.digest: one.name
            for one in self.stated
            if isinstance(one.said, Tested | Summary) and self.gone.needed(one.said)
        }

    def _main(self, told: Mapping[str, Any]) -> Record:
        signed = [one.said.record for one in self.stated if isinstance(one.said, Release)]
        if told["record"] not in signed:
            raise BadSignature("no statement that holds signs the record the archive is about")
        record = self.materials.record(told["record"])
        if told["subject"] != record.subject.document():
            raise BadArchive("the archive says that it is about another subject than its record")
        wanted, store = self.expected.subject, self.expected.store
        if wanted is not None and wanted != record.subject.name:
            raise BadArchive(f"the archive is about {record.subject.name}, not {wanted}")
        if store is not None and store != record.subject.store:
            raise BadArchive(f"the archive is of the store {record.subject.store}, not {store}")
        check_omitted(told, self.opened, record)
        self.omitted = told["omitted"]
        return record

    def _statement(self, name: str) -> Stated:
        return read_stated(name, self.opened.read(name), self.trusted)

    def _bound(self, one: Stated, main: Record) -> Record:
        if isinstance(one.said, Foreign):
            return about(one.said, self.materials.of_subject(main))
        if isinstance(one.said, Tombstone):  # its record is gone: the name is all that is left
            if one.said.subject != main.subject.name:
                raise BadArchive(f"{one.name} is about {one.said.subject}")
            return main
        named = getattr(one.said, "record", None)
        if named is not None:
            record = self.materials.record(named)
            binds(one.said, record)
        else:  # it names a root or a run: some record of the subject is the one
            record = self.materials.bound_by(one.said, main)
        if record.subject != main.subject:
            raise BadArchive(f"{one.name} is about {record.subject.name}")
        return record

    def _head(self) -> Head:
        return read_head(note_text(self.opened.read(CHECKPOINT)), self.trusted)

    def _tested(self, said: Tested, before: Sequence[Stated]) -> None:
        held = self.materials
        held.take(named_by(dict(said.baselines), said.beside))
        record, policy = held.record(said.record), held.policy(said.policy)
        tested_again(said, record, policy, held.records, before)

    def _verdict(self, said: Summary, before: Sequence[Stated]) -> Any:
        held, told = self.materials, said.decision
        record = held.record(said.record)
        check_inputs(said, record, {one.digest: one for one in self.stated})
        held.take(named_by(told["baselines"], told.get("beside")))
        return rederived(said, record, held.policy(said.policy), held.records, before)

    def _witnessed(self, head: Head) -> str:
        kept = read_head(self.expected.witness or "", self.trusted)
        same_log(head.checkpoint, kept.checkpoint)
        return f"the head of {kept.checkpoint.size} leaves is the one that was kept elsewhere"


def _named(record: Record) -> str:
    return f"{record.subject.name} of {record.subject.store}: {record.digest}"


def _log(head: Head) -> str:
    return head.checkpoint.origin


def _bound_to(record: Record) -> str:
    return f"binds {record.subject.name}, {record.digest[:23]}…"
