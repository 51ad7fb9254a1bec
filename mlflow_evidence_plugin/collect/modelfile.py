"""What MLflow's own file beside a model says of it: the signature, which stands nowhere else."""

from __future__ import annotations

from typing import Any

import yaml

NAME = "MLmodel"
LIMIT = 1 << 18
"""Bytes that are looked at; a signature of thousands of columns fits."""

PARTS = ("inputs", "outputs", "params")
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

DEPTH = 50
"""Levels within levels. libyaml makes objects by recursion: a file of brackets ends a process."""

Signature = tuple[tuple[str, str], ...]


class ModelFile:
    """Sees the bytes of one file go by, and keeps them where they are a model's description."""

    def __init__(self, path: str) -> None:
        self._wanted = path.rpartition("/")[2] == NAME
        self._seen = bytearray()

    def update(self, chunk: bytes) -> None:
        """The next bytes."""
        if self._wanted and len(self._seen) <= LIMIT:
            self._seen += chunk[: LIMIT + 1]

    def signature(self) -> Signature | None:
        """The parts that it has, each as MLflow's JSON; none for a model without a signature.

        None where that is not known: another file, or one that is not as MLflow writes it.
        """
        if not self._wanted or len(self._seen) > LIMIT:
            return None
        try:
            told = _loaded(bytes(self._seen))
            signed = told.get("signature") or {}
            said = {name: signed.get(name) for name in PARTS}
        except (yaml.YAMLError, ValueError, AttributeError, RecursionError):
            return None
        if "flavors" not in told or not all(isinstance(one, str | None) for one in said.values()):
            return None
        return tuple((name, one) for name, one in said.items() if one)


def _loaded(data: bytes) -> Any:
    depth = 0
    for event in yaml.parse(data, _LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEPTH:
            raise ValueError("too many levels")
    return yaml.load(data, _LOADER)  # noqa: S506 - a safe one
