"""Offline verification of an archive with many materials, against sha256sum over the same files."""

from __future__ import annotations

import base64
import hashlib
import random
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from mlflow_evidence_plugin.ledger import Checkpoint, Leaf, merkle, subject_digest
from mlflow_evidence_plugin.record import Record, canonical, digest_of, record_of
from mlflow_evidence_plugin.service.archive import zipped
from mlflow_evidence_plugin.signing import Keyring, SigningKey, bundle_of, sign, sign_note
from mlflow_evidence_plugin.snapshot import Artifact, RunSnapshot
from mlflow_evidence_plugin.statements import NAMES, PAYLOAD_TYPE, captured
from mlflow_evidence_plugin.verify import Expected, verify_file

from .auditor import make_auditor
from .measure import Row, at_most, interleaved, seconds

MATERIALS, BYTES = 1_000, 100_000
ORIGIN = "bench.example/ledger"


def bench(place: Path, quick: bool) -> list[Row]:
    """The whole command against the whole command, and what it does against hashlib."""
    files = _files(place / "files", 50 if quick else MATERIALS)
    archive, key = _archive(place, files)
    program = make_auditor(place / "auditor")
    ours = [*program, "verify", archive, "--key", key, "-o", "json"]
    turns = {
        "command": partial(seconds, partial(_run, ours)),
        "sha256sum": partial(seconds, partial(_run, [shutil.which("sha256sum"), *files])),
        "help": partial(seconds, partial(_run, [*program, "verify", "--help"])),
        "verify": partial(seconds, partial(_verify, archive, key)),
        "hashlib": partial(seconds, partial(_hash, files)),
    }
    found = interleaved(turns, 3 if quick else 11)
    work = [a - b for a, b in zip(found["command"], found["help"], strict=True)]
    what = f"archive of {len(files):,} materials of 100 kB"
    told = f"{what}: verified by the command ÷ sha256sum"
    return [
        Row.of(told, found["command"], found["sha256sum"], "s", at_most(1.3)),
        Row.of(f"{told}, without the start of the program", work, found["sha256sum"], "s"),
        Row.of(
            f"{what}: verified in a process that runs ÷ hashlib",
            found["verify"],
            found["hashlib"],
            "s",
        ),
    ]


def _run(command: list[object]) -> None:
    done = subprocess.run(list(map(str, command)), capture_output=True)
    if done.returncode:
        raise RuntimeError(done.stdout[-500:] + done.stderr[-500:])


def _verify(archive: Path, key: Path) -> None:
    trusted = Keyring.of([key.read_bytes()])
    if not verify_file(archive, trusted, Expected("2100-01-01T00:00:00.000Z")).passed:
        raise RuntimeError("the archive does not hold")


def _hash(files: list[Path]) -> None:
    for file in files:
        hashlib.sha256(file.read_bytes()).hexdigest()


def _files(folder: Path, count: int) -> list[Path]:
    folder.mkdir()
    chance = random.Random(1)
    files = [folder / f"{number:04}.bin" for number in range(count)]
    for file in files:
        file.write_bytes(chance.randbytes(BYTES))
    return files


def _archive(place: Path, files: list[Path]) -> tuple[Path, Path]:
    """The archive of a run whose artifacts these are, and the key to verify it with."""
    found = {hashlib.sha256(one.read_bytes()).hexdigest(): one for one in files}
    artifacts = [Artifact(f"{n:04}.bin", BYTES, sha256) for n, sha256 in enumerate(found)]
    record = record_of(_run_of(tuple(artifacts)), "https://mlflow.example.com")
    key = SigningKey.create(place / "key.pem")
    envelopes = {kind: sign(one, PAYLOAD_TYPE, key) for kind, one in captured(record).items()}
    members: dict[str, bytes | Path] = dict(_members(record, envelopes, key))
    members |= {f"materials/sha256/{sha256}": one for sha256, one in found.items()}
    with (place / "a.evidence.zip").open("wb") as file:
        file.writelines(zipped(sorted(members.items())))
    (place / "public.pem").write_bytes(key.public_pem)
    return place / "a.evidence.zip", place / "public.pem"


def _run_of(artifacts: tuple[Artifact, ...]) -> RunSnapshot:
    return RunSnapshot(
        run_id="0" * 32,
        name="bench",
        experiment_id="1",
        experiment="bench",
        status="FINISHED",
        lifecycle="active",
        user="bench",
        start_time=1_700_000_000_000,
        end_time=1_700_000_060_000,
        artifact_uri="mlflow-artifacts:/1/x/artifacts",
        parameters={},
        tags={},
        metrics=(),
        artifacts=artifacts,
    )


def _members(
    record: Record, envelopes: Mapping[str, bytes], key: SigningKey
) -> Iterator[tuple[str, bytes]]:
    about = {"schema": "https://mlflow-evidence.dev/archive/v1", "record": record.digest}
    yield "archive.json", canonical(about | {"subject": record.subject.document(), "omitted": []})
    yield f"materials/sha256/{record.digest[7:]}", record.data
    yield "attestations.intoto.jsonl", b"".join(one + b"\n" for one in envelopes.values())
    for place, (kind, one) in enumerate(envelopes.items()):
        yield f"attestations/{place:06d}-{NAMES[kind]}.sigstore.json", bundle_of(one, key.id)
    yield from _log(record, [digest_of(one) for one in envelopes.values()], key)


def _log(record: Record, statements: list[str], key: SigningKey) -> Iterator[tuple[str, bytes]]:
    leaves: list[Leaf] = []
    for number, one in enumerate(statements):
        before = leaves[-1].digest if leaves else None
        leaves.append(Leaf(subject_digest(record.subject), number, before, one))
    nodes, size = merkle.grown(0, {}, [leaf.hash for leaf in leaves]), len(leaves)
    entries = []
    for index, leaf in enumerate(leaves):
        proof = [merkle.root(one, nodes) for one in merkle.inclusion(index, size)]
        told = [base64.b64encode(one).decode() for one in proof]
        entries.append({"index": index, "leaf": vars(leaf), "proof": told})
    yield "ledger/chain.json", canonical(entries)
    head = Checkpoint(ORIGIN, size, merkle.root((0, size), nodes))
    yield "ledger/checkpoint", sign_note(head.text, ORIGIN, key).encode()
