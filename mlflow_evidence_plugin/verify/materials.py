"""The records and policies in an archive, each read by the digest that something signed names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ..errors import BadArchive, BadMaterial, BadPolicy, BadVerdict, EvidenceError
from ..policy import Policy, parse
from ..record import Record, digest_of, read
from ..statements.decision import Summary, Tested
from .beside import named_by
from .bundle import binds
from .members import MATERIALS, POLICIES
from .opening import Opened
from .stated import Stated
from .unproven import parts


class Materials:
    """What the statements of an archive are about. `records` are those read so far, by digest."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        self.records: dict[str, Record] = {}

    def record(self, digest: str) -> Record:
        """A record; BadMaterial where its bytes are others."""
        if digest not in self.records:
            data = self._opened.read(MATERIALS + digest.removeprefix("sha256:"))
            if digest_of(data) != digest:
                raise BadMaterial(f"the record {digest} was altered", "get the archive anew")
            self.records[digest] = read(data)
        return self.records[digest]

    def take(self, named: Iterable[str]) -> None:
        """Read the records that a verdict names; a baseline without one is named by a reason."""
        for digest in named:
            if digest.startswith("sha256:"):
                self.record(digest)

    def policy(self, digest: str) -> Policy:
        """The policy of a verdict; BadVerdict where it was altered, or is none."""
        data = self._opened.read(POLICIES + digest.removeprefix("sha256:"))
        if digest_of(data) != digest:
            raise BadVerdict(f"the policy {digest} was altered", "get the archive anew")
        try:
            return parse(data)
        except BadPolicy as error:
            raise BadVerdict(f"the verdict was made by no policy: {error.detail}") from error

    def of_subject(self, main: Record) -> list[Record]:
        """This record, and those of the same subject: also those of earlier days."""
        return [main, *(one for one in self.records.values() if one.subject == main.subject)]

    def bound_by(self, said: Any, main: Record) -> Record:
        """The record of the subject that a statement is about which names a root or a run."""
        problem: EvidenceError | None = None
        for record in self.of_subject(main):
            try:
                binds(said, record)
            except EvidenceError as error:
                problem = problem or error
            else:
                return record
        raise problem or BadArchive("no record in the archive is what the statement is about")

    def named(self, stated: Sequence[Stated]) -> Iterator[str]:
        """Digests that records and verdicts name: all that may lie among the materials."""
        for one in stated:
            if isinstance(one.said, Summary):
                told = one.said.decision
                yield from named_by(told["baselines"], told.get("beside"))
            elif isinstance(one.said, Tested):
                yield from named_by(dict(one.said.baselines), one.said.beside)
        for digest, record in self.records.items():
            yield digest
            yield from parts(record)
