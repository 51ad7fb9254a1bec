"""What was signed, in words: which rules a verdict asked, and the statements in their order."""

from __future__ import annotations

import json
import random
import re

import pytest

from mlflow_evidence_plugin.approval import Approval, Waiver
from mlflow_evidence_plugin.policy import Case, evaluate, parse
from mlflow_evidence_plugin.record.canonical import digest_of
from mlflow_evidence_plugin.render.exhibit import Exhibit
from mlflow_evidence_plugin.render.html import html
from mlflow_evidence_plugin.render.markdown import markdown
from mlflow_evidence_plugin.render.stated import WORDS, checked, counted, stated
from mlflow_evidence_plugin.statements import READERS, TEST_RESULT, VSA, captured
from mlflow_evidence_plugin.statements.approval import approval_statement, waiver_statement
from mlflow_evidence_plugin.statements.decision import (
    test_result_statement,
    verification_summary,
)
from tests.browser.gallery import HOSTILE
from tests.unit import samples
from tests.unit.exhibits import DECISION, envelope_of
from tests.unit.test_render_hostile import READER

test_result_statement.__test__ = False  # pytest takes it for a test of its own

RULES = [
    {"rule": "tracked-run"},
    {"rule": "metric-threshold", "metric": "auc", "min": 0.5},
    {"rule": "required-tags", "tags": ["runbook"], "severity": "warn"},
]
RECORD = samples.record()


def signed(rules, environment="prod", at=samples.NOW):
    """A verdict by these rules, and the two envelopes that tell of it."""
    told = {"version": 1, "environments": {environment: {"rules": rules}}}
    policy = parse(json.dumps(told).encode())
    made = evaluate(policy, policy.environment(environment), Case(RECORD), at)
    tested = envelope_of(test_result_statement(RECORD, made, policy))
    summary = verification_summary(RECORD, made, [(TEST_RESULT, digest_of(tested))])
    return made.document(), [tested, envelope_of(summary)]


def shown(decisions, envelopes):
    head = {"digest": RECORD.digest, "captured_at": DECISION["evaluated_at"]}
    told = [json.loads(one) for one in envelopes]
    document = {**head, "statements": told, "record": RECORD.document}
    return Exhibit(json.dumps(document).encode(), decisions)


def test_a_verdict_says_which_rules_were_asked_and_how_each_went():
    decision, envelopes = signed([*RULES, {**RULES[1], "min": 0.95}])
    text = html(shown([decision], envelopes)).decode()
    assert "4 rules were checked: 1 failed, 1 warned, 2 passed" in text
    told = re.findall(r"</span>(\w+)</span> <code>([^<]+)</code></li>", text)
    assert [(went, label.replace("&#34;", '"')) for went, label in told] == [
        ("failed", 'metric-threshold {"metric":"auc","min":0.95}'),
        ("warned", 'required-tags {"tags":["runbook"]}'),
        ("passed", "tracked-run"),
        ("passed", 'metric-threshold {"metric":"auc","min":0.5}'),
    ]
    ticket = markdown(shown([decision], envelopes)).decode()
    assert "  - 4 rules were checked: 1 failed, 1 warned, 2 passed\n    - failed: `metric" in ticket


def test_a_passed_verdict_says_what_was_asked():
    decision, envelopes = signed(RULES[:1])
    assert decision["allowed"]
    for text in (html(shown([decision], envelopes)), markdown(shown([decision], envelopes))):
        assert "1 rule was checked: 1 passed" in text.decode()


def test_rules_of_another_verdict_are_not_shown():
    decision, envelopes = signed(RULES)
    later, others = signed(RULES[:1], at=samples.NOW.replace(hour=13))
    lab, _ = signed(RULES, "lab")
    for told, kept in (
        (decision, others),
        (later, envelopes),
        (lab, envelopes),
        (decision, envelopes[:1]),
        (decision, envelopes[1:]),
        (decision, [others[0], envelopes[1]]),
        (DECISION, envelopes),
    ):
        assert checked(told, stated([json.loads(one) for one in kept])) == []
        assert b"checked:" not in markdown(shown([told], kept))


def test_many_rules_are_folded_and_in_a_ticket_counted():
    many = [{**RULES[1], "min": n / 1000} for n in range(30)]
    decision, envelopes = signed(many)
    assert (
        '<details class="checked"><summary>30 rules' in html(shown([decision], envelopes)).decode()
    )
    assert "    - and 10 more in the evidence" in markdown(shown([decision], envelopes)).decode()
    assert counted([("passed", "x")] * 1200).startswith("1,200 rules were checked")


WRITABLE = [name for name, text in HOSTILE.items() if text.replace("\n", " ").isprintable()]
"""A policy takes no other text."""


@pytest.mark.parametrize("name", WRITABLE)
def test_a_hostile_option_is_text(name):
    decision, envelopes = signed([{"rule": "required-tags", "tags": [HOSTILE[name]]}])
    found = shown([decision], envelopes)
    assert "<script" not in html(found).decode() and "<img src=x" not in html(found).decode()
    inner = [
        one for token in READER.parse(markdown(found).decode()) for one in token.children or ()
    ]
    assert not {"link_open", "image", "html_inline"} & {one.type for one in inner}


def in_the_order_of_the_log():
    words = {"approver": "rita", "role": "risk", "basis": "observed", "decision": "approved"}
    early, late = "2026-06-01T11:00:00.000Z", "2026-06-01T14:00:00.000Z"
    approval = Approval("", **words, release=RECORD.release, at=early)
    waiver = Waiver(
        "", "fresh", "prod", RECORD.release, "rita", "none", late, "2026-07-01T00:00:00.000Z"
    )
    return [
        *map(envelope_of, captured(RECORD).values()),
        envelope_of(approval_statement(RECORD, approval)),
        *signed(RULES, "lab")[1],
        *signed(RULES)[1],
        envelope_of(waiver_statement(RECORD, waiver)),
    ]


def test_statements_are_named_in_words_and_stand_in_the_order_of_the_log():
    kept = in_the_order_of_the_log()
    random.Random(7).shuffle(kept)
    text = html(shown([], kept)).decode().partition('id="statements"')[2]
    assert re.findall("<h3>([^<]+)</h3>", text) == [
        "Release evidence",
        "Signature of the model’s files",
        "Training, as provenance",
        "ML-BOM",
        "Approval",
        "Rules that were checked for lab",
        "Verdict for lab",
        "Rules that were checked for prod",
        "Verdict for prod",
        "Waiver for prod",
    ]


def test_every_kind_has_words():
    assert set(WORDS) == set(READERS)


@pytest.mark.parametrize("kind", [VSA, TEST_RESULT, "https://slsa.dev/provenance/v1", "x", None, 7])
def test_what_says_otherwise_than_we_do_is_shown_all_the_same(kind):
    odd = [{"payload": p, "payloadType": "x", "signatures": []} for p in ("AA==", "", None, 3)]
    statement = {"predicateType": kind, "subject": [], "predicate": {"configuration": 1}}
    found = stated([*odd, json.loads(envelope_of(json.dumps(statement).encode()))])
    assert len(found) == 5
