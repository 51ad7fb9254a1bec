"""Is a verdict what policy and records give: derived anew, from what lies in the archive."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence
from datetime import datetime
from typing import Any

from ..errors import BadPolicy, BadVerdict, EvidenceError
from ..policy import PREVIOUS, Baseline, Decision, Policy, evaluate
from ..record import Record
from ..record.canonical import loads
from ..statements import Approved, Release, Waived, read_statement
from ..statements.decision import Summary, Tested
from ..statements.decision import test_result_statement as stated_tests
from .beside import case_again, check_first, rests_on
from .bundle import binds
from .foreign import Foreign
from .stated import Stated

_UNKNOWN = re.compile(r"version (?P<version>.+): unknown")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_ANY_TIME = "2000-01-01T00:00:00.000Z"
"""A test result without a time is of rules that look at none."""

Question = tuple[str, str, Mapping[str, object], Mapping[str, Any]]
"""Environment, time, baselines, and what else was looked up."""


def rederived(
    said: Summary,
    record: Record,
    policy: Policy,
    records: Mapping[str, Record],
    before: Sequence[Stated] = (),
) -> Decision:
    """The decision, made again at its own time. BadVerdict where it says anything else.

    `records` are those that it names, by digest; `before` the statements that the log has before.
    """
    told = said.decision
    at = str(told["evaluated_at"])
    question = (str(told["environment"]), at, told["baselines"], told.get("beside", {}))
    made = _made(question, record, policy, records, before)
    if told["status"] != made.status or told["allowed"] != made.allowed:
        raise _other(f"policy and records give {made.status}, the signed verdict does not")
    omitted = told.get("omitted", {})
    whole = made.document() | {"digest": made.digest}
    if omitted != {name: len(whole.pop(name)) for name in _LONG if name in omitted}:
        raise _other("the verdict says something else of what it leaves out")
    if whole != {name: value for name, value in told.items() if name != "omitted"}:
        raise _other("policy and records give other reasons or times than the signed verdict says")
    return made


def tested_again(
    said: Tested,
    record: Record,
    policy: Policy,
    records: Mapping[str, Record],
    before: Sequence[Stated] = (),
) -> None:
    """BadVerdict unless policy and records give the same test result."""
    at = said.evaluated_at or _ANY_TIME
    question = (said.environment, at, dict(said.baselines), said.beside or {})
    made = _made(question, record, policy, records, before)
    if read_statement(loads(stated_tests(record, made, policy))) != said:
        raise _other("policy and records give other test results than the signed ones")


def check_inputs(said: Summary, record: Record, known: Mapping[str, Stated]) -> None:
    """BadVerdict unless the verdict names what it was made from, all of it about its record.

    `known` are the statements of the archive, by the digest of their envelope.
    """
    missing = [digest for _, digest in said.inputs if digest not in known]
    if missing:
        raise BadVerdict(f"{len(missing)} statements that the verdict was made from are absent")
    inputs = [known[digest] for _, digest in said.inputs]
    if [one.kind for one in inputs] != [kind for kind, _ in said.inputs]:
        raise BadVerdict("the verdict calls a statement another kind than it is")
    for one in inputs:
        if isinstance(one.said, Foreign | Approved | Waived):
            continue  # about the subject, maybe as it was before
        try:
            binds(one.said, record)
        except EvidenceError as error:
            raise BadVerdict(f"{one.name} is about other evidence than the verdict") from error
    found = [one.said for one in inputs]
    if not any(isinstance(one, Release) for one in found):
        raise BadVerdict("the verdict was made without the statement on its record")
    if beside := set(rests_on(said.decision.get("beside", {}))) - {one.digest for one in inputs}:
        raise BadVerdict(f"the verdict does not name {len(beside)} statements that it rests on")
    if not any(isinstance(one, Tested) and _same(one, said) for one in found):
        raise BadVerdict("the verdict was made without a test result of the same question")


def in_force(
    stated: Sequence[Stated],
    environment: str,
    record: str,
    now: str,
    not_again: Container[str] = (),
) -> Summary:
    """The newest verdict for an environment, if it is a pass that holds now. BadVerdict.

    `not_again` are the digests of verdicts that cannot be derived again: none of them is one.
    """
    of = [(one.said, one.digest) for one in stated if isinstance(one.said, Summary)]
    verdicts = [one for one in of if one[0].decision["environment"] == environment]
    if not verdicts:
        raise BadVerdict(f"there is no verdict for {environment}", "ask the service for one")
    newest, digest = verdicts[-1]
    if digest in not_again:
        raise BadVerdict(
            f"the newest verdict for {environment} was made from what was erased since",
            "ask the service for another",
        )
    if newest.result != "PASSED":
        raise BadVerdict(f"the newest verdict for {environment} is a denial")
    if newest.decision["expires_at"] <= now:
        raise BadVerdict(f"the verdict for {environment} ran out, and is to be made again")
    if newest.decision["evaluated_at"] > now:
        raise BadVerdict(f"the verdict for {environment} is of a time that has not come")
    if newest.record != record:
        raise BadVerdict(f"the verdict for {environment} is on earlier evidence")
    return newest


_LONG = ("reasons", "warnings")


def _made(
    question: Question,
    record: Record,
    policy: Policy,
    records: Mapping[str, Record],
    before: Sequence[Stated],
) -> Decision:
    environment, at, baselines, told = question
    try:
        asked = policy.environment(environment)
        when = datetime.fromisoformat(at.replace("Z", "+00:00"))
        known = {a: _baseline(a, str(one), record, records) for a, one in baselines.items()}
        case = case_again(record, known, told, before, records)
        return evaluate(policy, asked, case, when)
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError, BadPolicy) as error:
        raise BadVerdict(f"the verdict cannot be derived again: {error!r}") from error
    except BadVerdict:
        raise
    except EvidenceError as error:
        raise BadVerdict(f"the verdict cannot be derived again: {error.detail}") from error


def _baseline(key: str, known: str, of: Record, records: Mapping[str, Record]) -> Baseline:
    if _DIGEST.fullmatch(known):
        if known not in records:
            raise BadVerdict(f"the baseline's record {known} is not in the archive", "get it anew")
        record = records[known]
        same = (record.subject.model, record.subject.store) == (of.subject.model, of.subject.store)
        if not same or not record.subject.model:
            raise BadVerdict(f"the baseline is {record.subject.name}: another model, or store")
        if key.startswith("sha256:") and key != known:
            raise BadVerdict(f"the baseline is the record {known}, and not the one that is fixed")
        previous = of.value("lineage", "previous_version")
        made = record.made_at(of.value("lineage", "previous_created"))
        if key == PREVIOUS and not (record.subject.version == previous and made):
            raise BadVerdict(f"{record.subject.name} is not the previous version")
        return Baseline(record.subject.version, record)
    if found := _UNKNOWN.fullmatch(known):
        version = None if found["version"] == "None" else found["version"]
        if key == PREVIOUS and version != of.value("lineage", "previous_version"):
            raise BadVerdict(f"version {version} is not the previous one")
        if key == PREVIOUS and version is None:
            check_first(of)
        return Baseline(version)
    return Baseline(problem=known)


def _same(tested: Tested, said: Summary) -> bool:
    told = said.decision
    asked = (tested.record, tested.policy, tested.environment, dict(tested.baselines))
    same = asked == (said.record, said.policy, told["environment"], told["baselines"])
    at = None if tested.beside is None else told["evaluated_at"]
    return same and (tested.beside, tested.evaluated_at) == (told.get("beside"), at)


def _other(what: str) -> BadVerdict:
    return BadVerdict(what, "whoever signed it used other data, or changed the outcome")
