"""Rules over records: pure, with the clock passed in."""

from .case import PREVIOUS, PREVIOUS_GAP, Attested, Baseline, Case, Needs, Target
from .decision import Decision, denial, evaluate
from .model import Environment, Policy, RuleSpec, parse
from .rules import FOR_OTHERS, RULES, Outcome

__all__ = [
    "FOR_OTHERS",
    "PREVIOUS",
    "PREVIOUS_GAP",
    "RULES",
    "Attested",
    "Baseline",
    "Case",
    "Decision",
    "Environment",
    "Needs",
    "Outcome",
    "Policy",
    "RuleSpec",
    "Target",
    "denial",
    "evaluate",
    "parse",
]
