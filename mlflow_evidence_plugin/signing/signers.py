"""Whose statements a service takes in: scanners, CI builds, tests; each with its public key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from ..errors import BadConfig, BadRecord
from ..record.canonical import loads
from .trust import PublicKey

SIZE_LIMIT = 1 << 20
_NAMES = {"name", "pem", "predicate_types"}


@dataclass(frozen=True)
class Signer:
    """One whose statements count, of the predicate types that its globs name."""

    name: str
    key: PublicKey
    predicate_types: tuple[str, ...]

    def may_state(self, predicate_type: str) -> bool:
        """Whether a statement of this type is for this signer to make."""
        return any(fnmatchcase(predicate_type, one) for one in self.predicate_types)


def read_signers(data: bytes) -> tuple[Signer, ...]:
    """From `{"signers": [{name, pem, predicate_types}]}` as JSON; BadConfig for anything else."""
    try:
        document = loads(data) if len(data) <= SIZE_LIMIT else None
    except BadRecord as error:
        raise BadConfig(f"the list of trusted signers is {error.detail}", _MEND) from error
    found = document.get("signers") if isinstance(document, dict) else None
    if not isinstance(found, list) or not all(_well_formed(one) for one in found):
        raise BadConfig("the list of trusted signers is not as it should be", _MEND)
    return tuple(
        Signer(
            one["name"],
            PublicKey.of(one["pem"].encode(), any_kind=True),
            tuple(one["predicate_types"]),
        )
        for one in found
    )


def signer_of(signers: Sequence[Signer], data: bytes, signature: bytes) -> Signer | None:
    """Who made a signature, if it was one of these."""
    return next((one for one in signers if one.key.signed(data, signature)), None)


_MEND = 'write {"signers": [{"name": "…", "pem": "…", "predicate_types": ["https://…"]}]}'


def _well_formed(one: Any) -> bool:
    if not isinstance(one, dict) or set(one) != _NAMES:
        return False
    kinds = one["predicate_types"]
    texts = [one["name"], one["pem"], *(kinds if isinstance(kinds, list) else [None])]
    return bool(kinds) and all(isinstance(text, str) and text for text in texts)
