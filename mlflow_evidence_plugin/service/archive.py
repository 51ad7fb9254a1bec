"""The archive of a subject: all that a verifier needs in years to come, in one file.

The same evidence under the same head of the log gives the same bytes: members are in one order,
uncompressed, and without a time. verify/archive.py says what each of them must be.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from ..errors import ArchiveTooLarge, BadInput, NotFound
from ..ledger import Checkpoint, Count, subject_digest
from ..record import Record, canonical, read_kept
from ..render.verifying import instructions
from ..signing import Keyring, open_envelope
from ..signing.sigstore import bundle_of
from ..statements import MODEL_SIGNATURE, NAMES, RELEASE_EVIDENCE, VSA
from ..statements.bom import bom_document
from ..statements.decision import Summary
from ..storage import Bundles, Decisions, Erasure, Erasures, Kept, Placed, Principal, Statements
from ..storage.timestamps import Timestamps
from ..verify.beside import named_by
from ..verify.bundle import decode
from ..verify.members import (
    ARCHIVE_V1,
    CHAIN,
    CHECKPOINT,
    COUNT,
    ENVELOPES,
    MANIFEST,
    MANIFEST_MAX,
    MATERIALS,
    POLICIES,
    TOMBSTONES,
)
from ..verify.opening import PIECE, TEXT_MAX
from ..verify.stated import STATEMENTS
from ..verify.zipped import MEMBERS_MAX
from .enclosing import Enclosed, Enclosing
from .issuing import Issuing, placed_document

EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip file can name: the members have none of their own."""

LAST = 2
"""Members that are made of all the others: the manifest and VERIFY.md."""

Members = Mapping[str, bytes]


@dataclass(frozen=True)
class Archiving:
    """Where an archive's parts come from."""

    bundles: Bundles
    decisions: Decisions
    statements: Statements
    erasures: Erasures
    issuing: Issuing

    def members(
        self, record: Record, caller: Principal, size: int | None, enclosing: Enclosing
    ) -> Mapping[str, bytes | Path]:
        """The archive's members by name, in their order; files are where they lie on disk.

        `size` is that of the log at a head which the verifier has kept. NotFound where it would
        hold evidence that the caller may not see: of a baseline, or of the subject in earlier days.
        ArchiveTooLarge for one that no verifier would take.
        """
        head, note = self.issuing.checkpoint(size)
        subject = subject_digest(record.subject)
        placed = self.issuing.ledger.chain(subject, head.size)
        _check_count(len(placed))
        kept = self.statements.by_digest(self._left(subject, placed))
        if (record.digest, RELEASE_EVIDENCE) not in {(one.record, one.kind) for one in kept}:
            raise BadInput(
                f"the log had {head.size} leaves before this evidence was captured",
                "ask under a later head, or without a size",
            )
        trust = self.issuing.trust()
        stamps = Timestamps(self.statements.database).tokens([one.digest for one in kept])
        found = _Statements(kept, stamps, Keyring.of([], [trust]))
        records = self._records({one.record for one in kept} | found.baselines, caller)
        absent = found.baselines - set(records)
        members = {
            **found.members(record.digest),
            **self._materials(records, record),
            **{_place(POLICIES, one): self.decisions.policy(one) for one in found.policies},
            CHECKPOINT: note.encode(),
            CHAIN: canonical([placed_document(one) for one in placed]),
            COUNT: self.issuing.count(Count(head, subject, len(placed))).encode(),
            **self._tombstones(absent, subject, head, caller),
            "trust/trust.json": trust,
        }
        if record.subject.model:
            members["mlbom.cdx.json"] = canonical(bom_document(record))
        return self._with_files(members, record, enclosing, head.origin)

    def _with_files(
        self, members: dict[str, bytes], record: Record, enclosing: Enclosing, origin: str
    ) -> Mapping[str, bytes | Path]:
        known = {"sha256:" + n.removeprefix(MATERIALS) for n in members if n.startswith(MATERIALS)}
        _check_count(len(members))
        enclosed = enclosing.files(record, known, MEMBERS_MAX - LAST - len(members))
        members[MANIFEST] = _manifest(record, enclosed)
        if len(members[CHAIN]) > TEXT_MAX or len(members[MANIFEST]) > MANIFEST_MAX:
            raise _too_large()
        files = {_place(MATERIALS, digest): path for digest, path in enclosed.files.items()}
        names = sorted([*members, *files])
        members["VERIFY.md"] = instructions(record, names, origin, bool(files))
        whole: dict[str, bytes | Path] = {**members, **files}
        return dict(sorted(whole.items()))

    def _left(self, subject: str, placed: Sequence[Placed]) -> list[str]:
        """The statements of a chain, but for those that were erased. BadInput before a tombstone.

        Nothing else may be missing: that is for the reader of the statements to see.
        """
        logged = [one.leaf.statement for one in placed]
        erased: set[str] = set()
        for one in self.erasures.of_subject(subject):
            if one.statement not in logged and set(one.erased) & set(logged):
                raise _since(one)
            erased |= set(one.erased)
        return [digest for digest in logged if digest not in erased]

    def _tombstones(
        self, absent: set[str], subject: str, head: Checkpoint, caller: Principal
    ) -> Members:
        """Of other subjects' records, which verdicts on this one were made from."""
        gone = [one for one in self.erasures.of_records(absent) if one.log_subject != subject]
        if not all(caller.sees(one.model, one.experiment) for one in gone):
            raise _foreign("that was erased")
        told = []
        for one in sorted(gone, key=lambda one: one.statement):
            (kept,) = self.statements.by_digest([one.statement])
            try:
                placed = self.issuing.ledger.place(kept.digest, head.size)
            except NotFound as error:
                raise _since(one) from error
            told.append(placed_document(placed) | {"envelope": json.loads(kept.envelope)})
        return {TOMBSTONES: canonical(told)} if told else {}

    def _records(self, digests: set[str], caller: Principal) -> dict[str, bytes]:
        found = self.statements.bodies(sorted(digests))
        for body in found.values():
            known = read_kept(body)
            if not caller.sees(known.subject.model, known.experiment):
                raise _foreign(f"of {known.subject.name}")
        return found

    def _materials(self, records: Mapping[str, bytes], main: Record) -> Members:
        members = {_place(MATERIALS, digest): body for digest, body in records.items()}
        for series in main.values("history").values():
            _, text = self.bundles.material(series["digest"])
            members[_place(MATERIALS, series["digest"])] = text
        return members


class _Statements:
    """The statements about a subject, in the order of the log."""

    def __init__(self, kept: list[Kept], stamps: Mapping[str, bytes], trusted: Keyring) -> None:
        self._kept, self._stamps = kept, stamps
        ours = [one for one in kept if one.key_id is None]
        opened = {one.digest: open_envelope(one.envelope, trusted) for one in ours}
        self._keys = {digest: verified.key.id for digest, verified in opened.items()}
        verdicts = [decode(opened[one.digest]) for one in ours if one.kind == VSA]
        summaries = [one for one in verdicts if isinstance(one, Summary)]
        self.policies = {one.policy for one in summaries}
        told = [one.decision for one in summaries]
        named = {d for one in told for d in named_by(one["baselines"], one.get("beside"))}
        self.baselines = {one for one in named if one.startswith("sha256:")}

    def members(self, main: str) -> Members:
        members: dict[str, bytes] = {}
        for place, one in enumerate(self._kept):
            name = f"{STATEMENTS}{place:06d}-{NAMES.get(one.kind, 'attestation')}.sigstore.json"
            stamps = [self._stamps[one.digest]] if one.digest in self._stamps else []
            members[name] = bundle_of(one.envelope, one.key_id or self._keys[one.digest], stamps)
            if one.record == main and one.kind == MODEL_SIGNATURE:
                members["model.sig"] = members[name]
            if one.record == main and one.kind == VSA and not one.superseded:
                # slsa-verifier takes this form alone.
                members[f"vsa-{one.environment}.dsse.json"] = one.envelope
        members[ENVELOPES] = b"".join(one.envelope + b"\n" for one in self._kept)
        return members


class Pieces(Iterator[bytes]):
    """A file as it is sent. Whoever does not read it to its end closes it: `held` ends with it."""

    def __init__(self, pieces: Iterator[bytes], held: ExitStack) -> None:
        self._pieces, self._held = pieces, held

    def __next__(self) -> bytes:
        try:
            return next(self._pieces)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of what it is read from; what is not sent yet will not be."""
        self._held.close()


def zipped(members: Iterable[tuple[str, bytes | Path]]) -> Iterator[bytes]:
    """A zip file, piece by piece; members that are files are never whole in memory."""
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_STORED) as file:
        for name, data in members:
            info = zipfile.ZipInfo(name, EPOCH)
            info.create_system, info.external_attr = 3, 0o100644 << 16
            if isinstance(data, bytes):
                file.writestr(info, data)
                yield pipe.taken()
                continue
            info.file_size = data.stat().st_size  # beforehand: it decides how it is written
            with data.open("rb", buffering=0) as source, file.open(info, "w") as member:
                while piece := source.read(PIECE):
                    member.write(piece)
                    yield pipe.taken()
    yield pipe.taken()


class _Pipe(io.RawIOBase):
    """What is written to it can be taken away; there is no way back, so nothing piles up."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        piece = bytes(data)  # type: ignore[call-overload]
        self._pieces.append(piece)
        return len(piece)

    def taken(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def file_name(record: Record) -> str:
    """`<name>-<version>.evidence.zip`, with nothing in it that a file's name may not have."""
    subject = record.subject
    name = f"{subject.model}-{subject.version}" if subject.model else f"run-{subject.run_id}"
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in name)
    return f"{plain.lstrip('.')}.evidence.zip"


def _since(one: Erasure) -> BadInput:
    return BadInput(
        f"evidence that the log had under this head was erased at {one.at}",
        "ask under a later head, or without a size",
    )


def _foreign(which: str) -> NotFound:
    return NotFound(
        f"the archive would hold evidence {which}, which is not yours",
        "ask the service's operator for a token that may see its experiment too",
    )


def _manifest(record: Record, enclosed: Enclosed) -> bytes:
    about = {"schema": ARCHIVE_V1, "subject": record.subject.document(), "record": record.digest}
    return canonical(about | {"omitted": list(enclosed.omitted)})


def _check_count(members: int) -> None:
    if members > MEMBERS_MAX - LAST:
        raise _too_large()


def _too_large() -> ArchiveTooLarge:
    said = f"the archive would be larger than verifiers take: {MEMBERS_MAX} members"
    mend = "ask for no files; or for less of the log, with the size of an earlier head"
    return ArchiveTooLarge(said, mend)


def _place(folder: str, digest: str) -> str:
    return folder + digest.removeprefix("sha256:")
