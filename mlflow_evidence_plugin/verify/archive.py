"""Does an archive hold? Every statement, record, material and verdict in it, and the log on them.

Needs no network, and nothing that the archive itself vouches for: keys come from the caller.
Nothing is read before a signature names it: records and policies go by their signed digests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import (
    BadArchive,
    BadLedger,
    BadMaterial,
    BadPolicy,
    BadSignature,
    BadVerdict,
    EvidenceError,
)
from ..ledger import subject_digest
from ..policy import Policy, parse
from ..record import Record, digest_of, read
from ..signing import Keyring
from ..signing.timestamp import Authorities
from ..statements import Release
from ..statements.decision import Summary, Tested
from .bundle import binds
from .chain import Head, read_chain, read_head, same_log
from .foreign import Foreign, about
from .members import (
    ARCHIVE_V1,
    CHAIN,
    CHECKPOINT,
    ENVELOPES,
    MANIFEST,
    MATERIALS,
    POLICIES,
    Hashing,
    check_copies,
    check_materials,
    check_names,
    read_manifest,
)
from .opening import Opened, open_archive
from .report import UNPROVEN, UNWITNESSED, WITNESSED, Checklist, Report
from .stated import STATEMENTS, Stated, read_stated
from .timestamps import check_timestamps
from .unproven import left_open, parts
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
        self.records: dict[str, Record] = {}
        self.stated: list[Stated] = []

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
            chain = partial(self._chain, head, record)
            take("ledger chain", chain, lambda n: f"the first {n} about the subject, none missing")
        self._judged(record)
        return self._ended(head, record)

    def _members(self, main: Record) -> None:
        opened, stated, take = self.opened, self.stated, self.checks.take
        take("members", lambda: check_names(opened, stated), lambda n: f"{n}, all of them known")
        known = set(self._named())
        take(
            "materials",
            lambda: check_materials(self.hashing, known),
            lambda n: f"{n} have the digests that they are named by",
        )
        copies = partial(check_copies, opened, stated, main)
        take("copies", copies, lambda n: f"{n} say what the statements say")

    def _judged(self, main: Record) -> None:
        for one in self.stated:
            if isinstance(one.said, Tested):
                again = partial(self._tested, one.said)
                self.checks.take(f"{one.name}: tests", again, lambda _: "derived again")
            elif isinstance(one.said, Summary):
                verdict = partial(self._verdict, one.said)
                said = f"{one.name}: verdict"
                self.checks.take(said, verdict, lambda d: f"{d.status}, derived again")
        if environment := self.expected.decision:
            force = partial(in_force, self.stated, environment, main.digest, self.expected.now)
            self.checks.take("decision", force, lambda s: f"holds until {s.decision['expires_at']}")

    def _ended(self, head: Head | None, main: Record) -> Report:
        completeness = UNWITNESSED
        if self.expected.witness is not None and head is not None:
            witnessed = self.checks.take("witness", partial(self._witnessed, head), lambda s: s)
            completeness = WITNESSED if witnessed else UNWITNESSED
        trusted = self.expected.authorities
        unproven = check_timestamps(self.opened, self.stated, trusted, self.checks)
        unproven += UNPROVEN[1:] if completeness is UNWITNESSED else ()
        left = tuple(left_open(self.opened, self.stated, main))
        return Report(tuple(self.checks.done), unproven + left, completeness)

    def _main(self, told: Mapping[str, Any]) -> Record:
        signed = [one.said.record for one in self.stated if isinstance(one.said, Release)]
        if told["record"] not in signed:
            raise BadSignature("no statement that holds signs the record the archive is about")
        record = self._record(told["record"])
        if told["subject"] != record.subject.document():
            raise BadArchive("the archive says that it is about another subject than its record")
        wanted, store = self.expected.subject, self.expected.store
        if wanted is not None and wanted != record.subject.name:
            raise BadArchive(f"the archive is about {record.subject.name}, not {wanted}")
        if store is not None and store != record.subject.store:
            raise BadArchive(f"the archive is of the store {record.subject.store}, not {store}")
        return record

    def _record(self, digest: str) -> Record:
        if digest not in self.records:
            data = self.opened.read(MATERIALS + digest.removeprefix("sha256:"))
            if digest_of(data) != digest:
                raise BadMaterial(f"the record {digest} was altered", "get the archive anew")
            self.records[digest] = read(data)
        return self.records[digest]

    def _statement(self, name: str) -> Stated:
        return read_stated(name, self.opened.read(name), self.trusted)

    def _bound(self, one: Stated, main: Record) -> Record:
        if isinstance(one.said, Foreign):
            return about(one.said, [main, *self._of(main)])
        named = getattr(one.said, "record", None)
        if named is not None:
            record = self._record(named)
            binds(one.said, record)
        else:  # it names a root or a run: some record of the subject is the one
            record = self._matching(one.said, main)
        if record.subject != main.subject:
            raise BadArchive(f"{one.name} is about {record.subject.name}")
        return record

    def _of(self, main: Record) -> list[Record]:
        """Records of the same subject: also those of earlier days."""
        return [one for one in self.records.values() if one.subject == main.subject]

    def _matching(self, said: Any, main: Record) -> Record:
        problem: EvidenceError | None = None
        for record in [main, *self._of(main)]:
            try:
                binds(said, record)
            except EvidenceError as error:
                problem = problem or error
            else:
                return record
        raise problem or BadArchive("no record in the archive is what the statement is about")

    def _named(self) -> Iterator[str]:
        """Digests that records and verdicts name: all that may lie among the materials."""
        for one in self.stated:
            if isinstance(one.said, Summary):
                yield from map(str, one.said.decision["baselines"].values())
            elif isinstance(one.said, Tested):
                yield from dict(one.said.baselines).values()
        for digest, record in self.records.items():
            yield digest
            yield from parts(record)

    def _head(self) -> Head:
        note = self.opened.read(CHECKPOINT)
        try:
            return read_head(note.decode("utf-8"), self.trusted)
        except UnicodeDecodeError as error:
            raise BadLedger("the head of the log is not UTF-8") from error

    def _chain(self, head: Head, record: Record) -> int:
        subject = subject_digest(record.subject)
        leaves = read_chain(self.opened.read(CHAIN), head.checkpoint, subject)
        there = [one.digest for one in self.stated]
        logged = [leaf.statement for leaf in leaves]
        if missing := set(logged) - set(there):
            raise BadLedger(
                f"{len(missing)} of the {len(logged)} statements that were signed about the "
                "subject are not here, or do not verify",
                "get the archive anew; if it stays so, something was removed",
            )
        if there != logged:
            raise BadLedger("statements are here that the log does not have, or in another order")
        return len(leaves)

    def _tested(self, said: Tested) -> None:
        self._baselines(dict(said.baselines))
        tested_again(said, self._record(said.record), self._policy(said.policy), self.records)

    def _verdict(self, said: Summary) -> Any:
        record = self._record(said.record)
        check_inputs(said, record, {one.digest: one for one in self.stated})
        self._baselines(said.decision["baselines"])
        return rederived(said, record, self._policy(said.policy), self.records)

    def _baselines(self, named: Mapping[str, Any]) -> None:
        for digest in map(str, named.values()):
            if digest.startswith("sha256:"):
                self._record(digest)

    def _policy(self, digest: str) -> Policy:
        data = self.opened.read(POLICIES + digest.removeprefix("sha256:"))
        if digest_of(data) != digest:
            raise BadVerdict(f"the policy {digest} was altered", "get the archive anew")
        try:
            return parse(data)
        except BadPolicy as error:
            raise BadVerdict(f"the verdict was made by no policy: {error.detail}") from error

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


__all__ = [
    "ARCHIVE_V1",
    "CHAIN",
    "CHECKPOINT",
    "ENVELOPES",
    "MANIFEST",
    "MATERIALS",
    "POLICIES",
    "STATEMENTS",
    "Expected",
    "verify_archive",
]
