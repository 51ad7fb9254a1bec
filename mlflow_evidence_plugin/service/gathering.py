"""Look up what an environment's rules ask for beside the record: the case, as it is now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ..approval import Approval, Waiver
from ..collect import MlflowStore
from ..errors import BadRecord, EvidenceError, NotFound
from ..policy import (
    FOR_OTHERS,
    PREVIOUS,
    PREVIOUS_GAP,
    Attested,
    Baseline,
    Case,
    Environment,
    Policy,
    Target,
)
from ..policy.decision import read_decision
from ..policy.duties import since_erasure
from ..record import Record, Subject
from ..record.canonical import loads
from ..record.facts import moment
from ..signing import Keyring, Signer, open_envelope, signed_by
from ..statements import Approved, Waived
from ..statements.approval import named
from ..storage import Approvals, Bundles, Decisions, Entry, Said, Standing, Statements, View
from ..verify.bundle import decode
from ..verify.foreign import untrusted
from .issuing import Issuing

LOOKED_THROUGH = 500
"""Runs of an experiment among which the earlier ones are found: those captured last."""

LAST_VERDICTS = 500
"""Verdicts on a version among which its last pass is found."""

NOT_LOOKED_UP = "which version is the previous one could not be read when it was captured"

ALL = ("*",)


@dataclass(frozen=True)
class Gathering:
    """Where a case's parts come from. `store` is the name of the tracking store."""

    mlflow: MlflowStore
    store: str
    bundles: Bundles
    statements: Statements
    approvals: Approvals
    standing: Standing
    decisions: Decisions
    issuing: Issuing
    signers: Sequence[Signer]

    def case(self, record: Record, policy: Policy, asked: Environment) -> tuple[Case, Said]:
        """What is to be judged, and what was said when the log had so many leaves about it."""
        needs, subject = asked.needs, record.subject
        said = self.approvals.said(subject, others=needs.attestations)
        approvals, waivers = self.people(said)
        keys = {*needs.baselines, *needs.targets}
        versions = {key: self._version(record, key) for key in keys}
        seen = partial(self.statements.seen_at, self.store, subject.name)
        case = Case(
            record,
            {key: versions[key] for key in needs.baselines},
            approvals=approvals if needs.approvals else (),
            waivers=waivers,
            attestations=tuple(self._attested(said.entries, record)),
            earlier=self._earlier(record, needs.earlier) if needs.earlier else (),
            targets={
                key: self._target(record, versions[key], (policy.digest, asked.name))
                for key in needs.targets
            },
            captured_at=seen() if needs.captured_at else None,
        )
        return case, said

    def people(self, said: Said) -> tuple[tuple[Approval, ...], tuple[Waiver, ...]]:
        """What people have said, each verified; in the order of the log."""
        ours = [one for one in said.entries if one.signer is None]
        if not ours:
            return (), ()
        trusted = Keyring.of([], [self.issuing.trust()])
        facts: list[Approval | Waiver | None] = []
        for one in ours:
            found = decode(open_envelope(one.envelope, trusted))
            if isinstance(found, Approved | Waived):
                facts.append(named(found, one.digest))
            else:
                facts.append(None)  # an erasure
        told = since_erasure(facts)
        approvals = tuple(one for one in told if isinstance(one, Approval))
        return approvals, tuple(one for one in told if isinstance(one, Waiver))

    def _attested(self, entries: Iterable[Entry], record: Record) -> Iterator[Attested]:
        """Attestations that are about the files of this record.

        By whom is trusted today: a signer may have been struck off since we took it in.
        """
        for one in entries:
            if one.signer is None or record.root not in _roots(one):
                continue
            signer, _ = signed_by(one.envelope, self.signers)
            if signer is not None and signer.may_state(one.kind):
                yield Attested(one.digest, one.kind, signer.name, str(one.received_at))

    def _version(self, record: Record, key: str) -> Baseline:
        """The version that a key of a rule means, and its newest evidence."""
        if key.startswith("sha256:"):
            return self._fixed(record, key)
        model = record.subject.model or ""
        try:
            if key == PREVIOUS:
                version = record.value("lineage", "previous_version")
                created = record.value("lineage", "previous_created")
                if version is None:
                    unread = record.unread(PREVIOUS_GAP) is not None
                    return Baseline(problem=NOT_LOOKED_UP if unread else None)
            else:
                version, at = self.mlflow.holder(model, key)
                created = moment(at) if at else None
        except NotFound:
            return self._nobody(model)
        except EvidenceError as error:
            return Baseline(problem=error.detail)
        try:
            found = self.bundles.latest(Subject("", model=model, version=version).name).record()
        except NotFound:
            return Baseline(version)
        return Baseline(version, found if found.made_at(created) else None)

    def _nobody(self, model: str) -> Baseline:
        """Nobody holds an alias, if the store knows the model: else who knows what was asked."""
        try:
            known = self.mlflow.knows_model(model)
        except EvidenceError as error:
            return Baseline(problem=error.detail)
        return Baseline(problem=None if known else f"the tracking store has no model {model}")

    def _fixed(self, record: Record, digest: str) -> Baseline:
        try:
            found = self.bundles.get(digest).record()
        except EvidenceError as error:
            return Baseline(problem=error.detail)
        if found.subject.model != record.subject.model or not found.subject.model:
            return Baseline(problem="the record is another model's")
        return Baseline(found.subject.version, found)

    def _target(self, record: Record, at: Baseline, question: tuple[str, str]) -> Target:
        """The way back, by the verdict of the policy with that digest in that environment."""
        policy, environment = question
        if at.version is None or at.version == record.subject.version:
            return Target(at.version, problem=at.problem)
        subject = Subject(self.store, model=record.subject.model, version=at.version)
        stands = self.standing.read(subject.name, environment)
        # Without evidence of that very version, what stands is of an earlier namesake.
        if stands is None or at.record is None:
            return Target(at.version)
        verdict = read_decision(loads(stands.body), subject)
        if verdict.record != at.record.digest:
            return Target(at.version)  # captured since, and not judged yet
        same = stands.policy_digest == policy
        until = verdict.expires_at if same else verdict.evaluated_at
        told = Target(at.version, verdict.status, verdict.digest, until)
        if verdict.allowed or not {one["code"] for one in verdict.reasons} <= FOR_OTHERS:
            return told
        return replace(told, passed_at=self._passed(at.record, environment))

    def _passed(self, record: Record, environment: str) -> str | None:
        """When such a version passed last; it may have been denied since, for another's sake."""
        found = self.decisions.history(record.subject.name, environment, None, LAST_VERDICTS)
        same = (one for _, one in found if one["release"] == record.release)
        return next((str(one["evaluated_at"]) for one in same if one["allowed"]), None)

    def _earlier(self, record: Record, wanted: int) -> tuple[Record, ...] | None:
        """The newest runs that began before this one, the newest first; None for too many to see.

        They are looked for among those captured last.
        """
        began = record.value("run", "started")
        if record.experiment is None or began is None:
            return ()
        digests, more = self.bundles.of_experiment(
            record.experiment, View(ALL, ALL), LOOKED_THROUGH
        )
        before = [
            one
            for one in self.bundles.records(digests)
            if one.run_id != record.run_id and (one.value("run", "started") or began) < began
        ]
        if more and len(before) < wanted:
            return None
        before.sort(key=lambda one: (one.value("run", "started"), one.digest), reverse=True)
        return tuple(before[:wanted])


def made_then(record: Record, created: int) -> bool:
    """Whether the evidence is of the version that was made then, and not of an earlier namesake.

    In milliseconds, as MLflow has it; 0 where that is not known.
    """
    return record.made_at(moment(created) if created else None)


def _roots(one: Entry) -> Any:
    found = untrusted(one.envelope)
    if found is None:
        raise BadRecord(f"the attestation {one.digest} in the database is none")
    return found.roots
