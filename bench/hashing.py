"""Reading and hashing of local files, as a capture does it, against bare hashlib."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from mlflow_evidence_plugin.collect import Roots
from mlflow_evidence_plugin.collect.artifacts import CHUNK, FileReader, Scratch
from mlflow_evidence_plugin.collect.store import READERS
from mlflow_evidence_plugin.scan import TextObserver
from mlflow_evidence_plugin.settings import SCRATCH_BYTES

from .measure import Row, at_least, interleaved

MIB = 1 << 20


def bench(place: Path, quick: bool) -> list[Row]:
    """64 files of 8 MiB and one of 256 MiB, all binary, all in the system's cache."""
    sizes = [32 * MIB] + 8 * [8 * MIB] if quick else [256 * MIB] + 64 * [8 * MIB]
    root = make_files(place / "files", sizes)
    turns: dict[str, Callable[[], dict[str, str]]] = {
        "ours": partial(ours, root, READERS),
        "hashlib": partial(bare, root, 1),
        "ours, one thread": partial(ours, root, 1),
        "hashlib, threads": partial(bare, root, READERS),
    }
    if len({tuple(sorted(hashes().items())) for hashes in turns.values()}) != 1:
        raise RuntimeError("the digests differ")
    total = sum(sizes) / MIB
    rates = interleaved({k: partial(_rate, v, total) for k, v in turns.items()}, 3 if quick else 9)
    sequential, threads = rates["hashlib"], rates["hashlib, threads"]
    one = rates["ours, one thread"]
    return [
        Row.of(
            f"hashing, {READERS} threads ÷ hashlib",
            rates["ours"],
            sequential,
            "MiB/s",
            at_least(0.9),
        ),
        Row.of("hashing, 1 thread ÷ hashlib", one, sequential, "MiB/s"),
        Row.of(f"hashing ÷ hashlib, {READERS} threads each", rates["ours"], threads, "MiB/s"),
    ]


def ours(root: Path, readers: int) -> dict[str, str]:
    """Through the reader that a capture uses, with the scanner looking on."""
    with ThreadPoolExecutor(readers) as pool:
        observe = partial(TextObserver, salt="bench")
        roots = Roots((root.as_uri(),))
        reader = FileReader(roots, observe, Scratch(SCRATCH_BYTES), pool, lambda _: None)
        artifacts, notes = reader.read(get_artifact_repository, root.as_uri(), "outputs")
    if notes:
        raise RuntimeError(f"unexpected: {notes}")
    return {artifact.path: artifact.sha256 for artifact in artifacts}


def bare(root: Path, threads: int) -> dict[str, str]:
    """hashlib over the same files, in pieces of the same size."""
    files = sorted(root.iterdir())
    if threads == 1:
        return {file.name: _sha256(file) for file in files}
    with ThreadPoolExecutor(threads) as pool:
        return dict(zip((file.name for file in files), pool.map(_sha256, files), strict=True))


def make_files(root: Path, sizes: list[int]) -> Path:
    """Files of random bytes, like weights."""
    root.mkdir()
    chance = random.Random(1)
    for number, size in enumerate(sizes):
        with (root / f"{number:02}.bin").open("wb") as file:
            for _ in range(size // MIB):
                file.write(chance.randbytes(MIB))
    return root


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb", buffering=0) as opened:
        while chunk := opened.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _rate(work: Callable[[], dict[str, str]], total: float) -> list[float]:
    began = time.perf_counter()
    work()
    return [total / (time.perf_counter() - began)]
