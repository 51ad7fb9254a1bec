"""Masks secrets in everything that a snapshot holds as text, before a record is made of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from ..snapshot import Gap, RunSnapshot, Secret, Series, Snapshot, VersionSnapshot
from .detect import fingerprint, hits

# Written by MLflow's server or by ourselves, and never free text.
_TRUSTED = frozenset(
    (
        "run_id",
        "experiment_id",
        "status",
        "lifecycle",
        "artifact_uri",
        "sha256",
        "digest",
        "model_id",
        "version",
        "place",
        "code",
        "kind",
        "fingerprint",
        "text",
        "previous",
        "parent",
        "children",
        "secrets",
        "gaps",
    )
)
T = TypeVar("T", Secret, Gap)
_WHOLE = ("private-key",)
# `password_column` says where a password would stand: its value is a name and no secret.
_NAMES_A_NAME = re.compile(r"[_.-](col|column|field|name|policy)s?$", re.IGNORECASE)


def masked(snapshot: Snapshot, salt: str) -> Snapshot:
    """The snapshot with each secret replaced by `[masked:<kind>:<fingerprint>]`, and reported.

    `salt` is the store's id: the same secret in the same store has the same fingerprint.
    """
    masking = _Masking(salt)
    clean: Snapshot = masking.of(snapshot, "")
    return replace(
        clean,
        secrets=tuple(masking.placed(one) for one in (*snapshot.secrets, *masking.secrets)),
        gaps=tuple(masking.placed(one) for one in (*snapshot.gaps, *masking.gaps)),
    )


class _Masking:
    def __init__(self, salt: str) -> None:
        self.salt = salt
        self.secrets: list[Secret] = []
        self.gaps: list[Gap] = []

    def placed(self, one: T) -> T:
        """A finding or gap without the secrets in names that lead to it: those are reported."""
        told = {n: getattr(one, n) for n in ("place", "reason") if hasattr(one, n)}
        return replace(one, **{name: self._hidden(text) for name, text in told.items()})

    def _hidden(self, text: str) -> str:
        for hit in sorted(hits(text, "", False), key=lambda hit: -len(hit.text)):
            text = text.replace(hit.text, f"[masked:{hit.kind}:{fingerprint(hit.text, self.salt)}]")
        return text

    def of(self, value: Any, place: str) -> Any:
        """A copy of a value with its texts masked; `place` names where it stands."""
        if isinstance(value, str):
            return self.text(value, place)
        if isinstance(value, dict):
            return {self.name(k, place): self.of(v, _join(place, k)) for k, v in value.items()}
        if isinstance(value, tuple):
            return tuple(self.of(one, place) for one in value)
        if is_dataclass(value) and not isinstance(value, type):
            return self.fields(value, place)
        return value

    def fields(self, value: Any, place: str) -> Any:
        """A copy of one of the snapshot's dataclasses."""
        changed = {}
        for one in fields(value):
            now = getattr(value, one.name)
            if one.name in _TRUSTED or now is None:
                continue
            if one.name == "key":
                changed["key"] = self.name(now, "history" if isinstance(value, Series) else place)
            else:
                changed[one.name] = self.of(now, _place(value, one.name, place))
        return replace(value, **changed)

    def name(self, key: str, place: str) -> str:
        """A name (of a metric, say) in which a secret may stand."""
        return self._masked(key, (key,), f"{place}/name", guess=False)

    def text(self, value: str, place: str) -> str:
        """A value, looked at together with its name: `password` tells what `hunter2` is."""
        name = place.rsplit("/", 1)[-1]
        if _NAMES_A_NAME.search(name):
            name = "value"
        # Escaped it hides its own quotes and lines: those are looked at as they stand as well.
        lines = value.splitlines() if '"' in value or "\n" in value else []
        shown = (f"{name}: {json.dumps(value)}", *lines)
        return self._masked(value, shown, place, guess=name != "path")

    def _masked(self, value: str, shown: Iterable[str], place: str, guess: bool) -> str:
        value = self._unicode(value, place)
        clean = value
        named = "value.yaml" if "\n" in value else ""  # bare `password: x` lines, as in YAML
        found = {hit.text: hit for line in shown for hit in hits(line, named, guess)}
        for hit in sorted(found.values(), key=lambda hit: (-len(hit.text), hit.text)):
            mark = fingerprint(hit.text, self.salt)
            self.secrets.append(Secret(place, hit.kind, mark))
            said = f"[masked:{hit.kind}:{mark}]"
            inside = hit.text in clean and hit.kind not in _WHOLE
            clean = clean.replace(hit.text, said) if inside else said
        return clean

    def _unicode(self, value: str, place: str) -> str:
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            self.gaps.append(Gap(place, "not-unicode", "some characters were written as escapes"))
            return value.encode("utf-8", "backslashreplace").decode("utf-8")
        return value


def _place(value: Any, name: str, place: str) -> str:
    if isinstance(value, RunSnapshot):
        return name
    if isinstance(value, VersionSnapshot):
        return "" if name == "run" else f"version/{name}"
    return _join(place, name)


def _join(place: str, name: str) -> str:
    return f"{place}/{name}" if place else name
