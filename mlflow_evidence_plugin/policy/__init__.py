"""Rules over records: pure, with the clock passed in."""

from .decision import Decision, denial, evaluate
from .model import Environment, Policy, RuleSpec, parse
from .rules import RULES, Baseline, Case, Outcome

__all__ = [
    "RULES",
    "Baseline",
    "Case",
    "Decision",
    "Environment",
    "Outcome",
    "Policy",
    "RuleSpec",
    "denial",
    "evaluate",
    "parse",
]
