"""The archive of a subject: all that a verifier needs in years to come, in one file.

The same evidence under the same head of the log gives the same bytes: members are in one order,
uncompressed, and without a time. verify/archive.py says what each of them must be.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ..errors import BadInput, NotFound
from ..ledger import subject_digest
from ..record import Record, canonical, read_kept
from ..render.verifying import instructions
from ..signing import Keyring, open_envelope
from ..signing.sigstore import bundle_of
from ..statements import MODEL_SIGNATURE, NAMES, RELEASE_EVIDENCE, VSA
from ..statements.bom import bom_document
from ..statements.decision import Summary
from ..storage import Bundles, Decisions, Kept, Principal, Statements
from ..storage.timestamps import Timestamps
from ..verify.archive import (
    ARCHIVE_V1,
    CHAIN,
    CHECKPOINT,
    ENVELOPES,
    MANIFEST,
    MATERIALS,
    POLICIES,
    STATEMENTS,
)
from ..verify.bundle import decode
from .issuing import Issuing, placed_document

EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip file can name: the members have none of their own."""

Members = Mapping[str, bytes]


@dataclass(frozen=True)
class Archiving:
    """Where an archive's parts come from."""

    bundles: Bundles
    decisions: Decisions
    statements: Statements
    issuing: Issuing

    def members(self, record: Record, caller: Principal, size: int | None = None) -> Members:
        """The archive's members by name, in their order.

        `size` is that of the log at a head which the verifier has kept. NotFound where it would
        hold evidence that the caller may not see: of a baseline, or of the subject in earlier days.
        """
        head, note = self.issuing.checkpoint(size)
        placed = self.issuing.ledger.chain(subject_digest(record.subject), head.size)
        kept = self.statements.by_digest([one.leaf.statement for one in placed])
        if (record.digest, RELEASE_EVIDENCE) not in {(one.record, one.kind) for one in kept}:
            raise BadInput(
                f"the log had {head.size} leaves before this evidence was captured",
                "ask under a later head, or without a size",
            )
        trust = self.issuing.trust()
        stamps = Timestamps(self.statements.database).tokens([one.digest for one in kept])
        found = _Statements(kept, stamps, Keyring.of([], [trust]))
        records = self._records({one.record for one in kept} | found.baselines, caller)
        members = {
            **found.members(record.digest),
            **self._materials(records, record),
            **{_place(POLICIES, one): self.decisions.policy(one) for one in found.policies},
            CHECKPOINT: note.encode(),
            CHAIN: canonical([placed_document(one) for one in placed]),
            "trust/trust.json": trust,
            MANIFEST: _manifest(record),
        }
        if record.subject.model:
            members["mlbom.cdx.json"] = canonical(bom_document(record))
        members["VERIFY.md"] = instructions(record, sorted(members), head.origin)
        return dict(sorted(members.items()))

    def _records(self, digests: set[str], caller: Principal) -> dict[str, bytes]:
        found = self.statements.bodies(sorted(digests))
        for body in found.values():
            known = read_kept(body)
            if not caller.sees(known.subject.model, known.experiment):
                raise NotFound(
                    f"the archive would hold evidence of {known.subject.name}, which is not yours",
                    "ask the service's operator for a token that may see its experiment too",
                )
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
        named = {str(d) for one in summaries for d in one.decision["baselines"].values()}
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


def zipped(members: Iterable[tuple[str, bytes]]) -> Iterator[bytes]:
    """A zip file, piece by piece."""
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_STORED) as file:
        for name, data in members:
            info = zipfile.ZipInfo(name, EPOCH)
            info.create_system, info.external_attr = 3, 0o100644 << 16
            file.writestr(info, data)
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


def _manifest(record: Record) -> bytes:
    about = {"schema": ARCHIVE_V1, "subject": record.subject.document(), "record": record.digest}
    return canonical(about | {"omitted": []})


def _place(folder: str, digest: str) -> str:
    return folder + digest.removeprefix("sha256:")
