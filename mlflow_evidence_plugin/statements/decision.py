"""A decision as statements: the rules as test results, and the verdict as a summary (VSA).

https://github.com/in-toto/attestation/blob/main/spec/predicates/test-result.md
https://slsa.dev/spec/v1.0/verification_summary
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import BadEnvelope, BadPolicy, BadRecord
from ..policy import Decision, Policy
from ..policy.decision import FAILED, PASSED, WARNED
from ..record import Record, canonical, digest_of
from .form import (
    PREDICATE_LIMIT,
    digest,
    fitting,
    hexadecimal,
    named,
    only,
    opened,
    reading,
    statement,
    text,
)
from .purl import purl

TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
VSA = "https://slsa.dev/verification_summary/v1"
DECISION = "https://mlflow-evidence.dev/decision/v1"
"""The member of a VSA in which our whole decision stands."""

VERIFIER = "https://mlflow-evidence.dev/service/v1"
ENVELOPE = "application/vnd.dsse.envelope.v1+json"
_LISTS = ("passedTests", "warnedTests", "failedTests")
_ROOM = PREDICATE_LIMIT - 4_000


@dataclass(frozen=True)
class Tested:
    """What a test-result statement says: the rules, and what is needed to recompute them.

    `evaluated_at` and `beside` are None where the rules looked at record and baselines alone.
    """

    subject: str
    root: str
    record: str
    policy: str
    environment: str
    baselines: tuple[tuple[str, str], ...]
    result: str
    passed: tuple[str, ...]
    warned: tuple[str, ...]
    failed: tuple[str, ...]
    evaluated_at: str | None = None
    beside: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Summary:
    """What a verification summary says. `inputs` are (predicate type, digest of an envelope).

    `decision` is the decision's document, and `digest` its name; where reasons or warnings were
    left out, `decision["omitted"]` says how many.
    """

    subject: str
    root: str
    record: str
    resource: str
    policy: str
    result: str
    inputs: tuple[tuple[str, str], ...]
    decision: Mapping[str, Any]
    digest: str


def test_result_statement(record: Record, decision: Decision, policy: Policy) -> bytes:
    """Every rule of the environment as a test, named by the rule and its options.

    `configuration` has the digests of record and policy, and of each baseline's record, so that
    the verdict can be re-derived. A baseline that was not found stands there without a digest.
    What else the rules looked at, and when, stands in the entry `beside`. A failure that somebody
    answers for is a warning. The policy file's own bound (256 KiB) is this predicate's too.
    """
    _belongs(record, decision)
    if policy.digest != decision.policy:
        raise BadPolicy("the decision was made by another policy than the one that is given")
    lists = _tests(decision)
    warned = "WARNED" if lists["warnedTests"] else "PASSED"
    told = {"name": "policy", "digest": named(policy.digest)}
    predicate = {
        "result": "FAILED" if lists["failedTests"] else warned,
        "configuration": [
            told | {"annotations": {"environment": decision.environment}},
            {"name": "record", "digest": named(record.digest)},
            *(_baseline(alias, known) for alias, known in decision.baselines),
            *_beside(decision),
        ],
        **lists,
    }
    return statement(record, TEST_RESULT, predicate)


def verification_summary(
    record: Record, decision: Decision, inputs: Sequence[tuple[str, str]]
) -> bytes:
    """The verdict, bound to the envelopes that it was made from, the policy and the store.

    `inputs` are (predicate type, `sha256:…` of the envelope's bytes). No SLSA level is claimed.
    Where the decision needs more than 96 kB its longer list (reasons, warnings) is left out whole;
    `omitted` in it says how many there were, and its digest is that of all of them.
    """
    _belongs(record, decision)
    document = decision.document()
    kept, omitted = fitting({k: document.pop(k) for k in ("reasons", "warnings")}, _ROOM)
    said = document | kept | {"digest": decision.digest}
    predicate = {
        "verifier": {"id": VERIFIER},
        "timeVerified": decision.evaluated_at,
        "resourceUri": purl(record),
        "policy": {"digest": named(decision.policy)},
        "inputAttestations": [
            {"name": kind, "digest": named(envelope), "mediaType": ENVELOPE}
            for kind, envelope in inputs
        ],
        "verificationResult": "PASSED" if decision.allowed else "FAILED",
        "verifiedLevels": [] if decision.allowed else ["FAILED"],
        DECISION: said | ({"omitted": omitted} if omitted else {}),
    }
    return statement(record, VSA, predicate)


def read_test_result(found: Any) -> Tested:
    """What a parsed statement says; BadEnvelope for any other form."""
    one = opened(found, TEST_RESULT)
    with reading("test result"):
        predicate = only(one.predicate, "result", "configuration", *_LISTS)
        passed, warned, failed = (tuple(map(text, predicate[name])) for name in _LISTS)
        if predicate["result"] != ("FAILED" if failed else "WARNED" if warned else "PASSED"):
            raise BadEnvelope("the result contradicts the tests")
        policy, record, *baselines = predicate["configuration"]
        if (policy["name"], record["name"]) != ("policy", "record"):
            raise BadEnvelope("the configuration does not begin with policy and record")
        at, beside = None, None
        if baselines and baselines[-1]["name"] == "beside":
            told = only(baselines.pop()["annotations"], "evaluated_at", "beside")
            at, beside = text(told["evaluated_at"]), told["beside"]
            if not isinstance(beside, dict):
                raise BadEnvelope("what stands beside the record is no object")
        return Tested(
            one.subject,
            one.root,
            _named(record),
            _named(policy),
            text(policy["annotations"]["environment"]),
            tuple(_told(baseline) for baseline in baselines),
            predicate["result"],
            passed,
            warned,
            failed,
            at,
            beside,
        )


def read_summary(found: Any) -> Summary:
    """What a parsed statement says; BadEnvelope for another form, or one at odds with itself."""
    one = opened(found, VSA)
    with reading("verification summary"):
        predicate = only(
            one.predicate,
            *("verifier", "timeVerified", "resourceUri", "policy", "inputAttestations"),
            *("verificationResult", "verifiedLevels", DECISION),
        )
        decision, policy = predicate[DECISION], _named(predicate["policy"])
        allowed = predicate["verificationResult"] == "PASSED"
        stands = (decision["allowed"], decision["policy"], decision["evaluated_at"])
        if stands != (allowed, policy, predicate["timeVerified"]):
            raise BadEnvelope("the summary contradicts the decision in it")
        if predicate["verifiedLevels"] != ([] if allowed else ["FAILED"]):
            raise BadEnvelope("the summary claims levels that nobody verified")
        if predicate["verifier"] != {"id": VERIFIER} or decision["subject"] != one.subject:
            raise BadEnvelope("the summary is another verifier's, or about another subject")
        whole = {name: value for name, value in decision.items() if name != "digest"}
        if "omitted" not in whole and digest_of(canonical(whole)) != decision["digest"]:
            raise BadEnvelope("the decision in the summary does not have the digest that it names")
        return Summary(
            one.subject,
            one.root,
            digest(decision["record"]),
            text(predicate["resourceUri"]),
            policy,
            text(predicate["verificationResult"]),
            tuple((text(i["name"]), _named(i)) for i in predicate["inputAttestations"]),
            decision,
            digest(decision["digest"]),
        )


def _named(descriptor: Any) -> str:
    return "sha256:" + hexadecimal(only(descriptor["digest"], "sha256")["sha256"])


def _told(baseline: Any) -> tuple[str, str]:
    alias = text(baseline["name"]).removeprefix("baseline/")
    known = "digest" in baseline
    return alias, _named(baseline) if known else text(baseline["annotations"]["problem"])


def _baseline(alias: str, known: str) -> dict[str, Any]:
    name = {"name": f"baseline/{alias}"}
    try:
        return name | {"digest": named(known)}
    except BadEnvelope:  # it says why there is no record to compare with
        return name | {"annotations": {"problem": known}}


def _beside(decision: Decision) -> list[dict[str, Any]]:
    if decision.beside is None:
        return []
    told = {"evaluated_at": decision.evaluated_at, "beside": decision.beside}
    return [{"name": "beside", "annotations": told}]


def _belongs(record: Record, decision: Decision) -> None:
    if (decision.record, decision.subject) != (record.digest, record.subject):
        raise BadRecord("the decision is about another record than the one that is given")


def _tests(decision: Decision) -> dict[str, list[str]]:
    if not decision.tests:
        raise BadRecord("the decision was read back: which rule failed is not known any more")
    return {
        name: [label for label, went in decision.tests if went == outcome]
        for name, outcome in zip(_LISTS, (PASSED, WARNED, FAILED), strict=True)
    }
