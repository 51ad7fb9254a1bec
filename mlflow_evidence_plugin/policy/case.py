"""What is judged: a record, and what stands beside it. Rules look; somebody else has fetched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..approval import Approval, Waiver
from ..record import Record

PREVIOUS = "@previous"
"""The key of the baseline that is the previous version; no alias has an `@`."""

PREVIOUS_GAP = "lineage/previous_version"
"""Where a record says that the previous version could not be found out: there may be one."""


@dataclass(frozen=True)
class Baseline:
    """The version that a rule compares with, and its evidence.

    `version` is None when there is none (nobody holds the alias); `record` is None when there is no
    evidence of the version; `problem` says why neither could be found out.
    """

    version: str | None = None
    record: Record | None = None
    problem: str | None = None


@dataclass(frozen=True)
class Attested:
    """A statement of somebody else that counts: its signer is trusted to make it."""

    statement: str
    kind: str
    signer: str
    received_at: str


@dataclass(frozen=True)
class Target:
    """The version that one would roll back to, and its verdict in the same environment.

    `version` is None when there is none; `status` and `decision` (its digest) are None when it was
    never judged; `problem` says why it could not be found out. `expires_at` is when the verdict
    runs out: one by another policy than that in force, when it was made. `passed_at` is when it
    passed last, with the same outputs, metrics, inputs and code, if it has failed since for others'
    sake alone.
    """

    version: str | None = None
    status: str | None = None
    decision: str | None = None
    expires_at: str | None = None
    problem: str | None = None
    passed_at: str | None = None


@dataclass(frozen=True)
class Case:
    """A record, and beside it what the environment's rules ask for; `at` is when it is judged.

    `baselines` and `targets` go by alias, `@previous`, or the digest of a record. `earlier` are the
    runs of the same experiment that began before this one, the newest first; None where there are
    more than were looked through. `captured_at` is when the service last saw the subject as it is
    in the record. What nobody looked up is empty or None: a rule that needs it has not passed.
    """

    record: Record
    baselines: Mapping[str, Baseline] = field(default_factory=dict)
    at: str = ""
    approvals: tuple[Approval, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    attestations: tuple[Attested, ...] = ()
    earlier: tuple[Record, ...] | None = ()
    targets: Mapping[str, Target] = field(default_factory=dict)
    captured_at: str | None = None


@dataclass(frozen=True)
class Needs:
    """What must be fetched before an environment's rules can look: nothing more is read."""

    baselines: tuple[str, ...] = ()
    approvals: bool = False
    attestations: bool = False
    earlier: int = 0
    """How many of the experiment's earlier runs."""
    targets: tuple[str, ...] = ()
    captured_at: bool = False

    @property
    def elsewhere(self) -> bool:
        """Whether rules look at what may change without anything being said about the subject.

        For attestations that is the operator's list of who may make them.
        """
        return bool(self.baselines or self.targets or self.earlier or self.attestations)


Beside = Mapping[str, Any]
"""What was looked up beside record and baselines, as JSON: a verdict can be derived again."""
