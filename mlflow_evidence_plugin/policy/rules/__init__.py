"""The built-in rules: each looks at a case and says what it found, what was asked, how to mend.

A rule that cannot know has not passed.
"""

from __future__ import annotations

from collections.abc import Mapping

from .expressed import expression
from .metrics import metric_threshold, no_regression, required_metrics, trend
from .model import artifacts_present, rollback_target, signature_model
from .outcome import BASES, Options, Outcome, Rule
from .people import approvals, attested
from .run import (
    code_clean,
    dataset_recorded,
    environment_locked,
    fresh,
    max_cost,
    no_findings,
    run_finished,
    tracked_run,
)
from .tagged import monitoring_signal, required_tags

RULES: Mapping[str, Rule] = {
    "tracked-run": tracked_run,
    "run-finished": run_finished,
    "required-tags": required_tags,
    "required-metrics": required_metrics,
    "metric-threshold": metric_threshold,
    "no-regression": no_regression,
    "trend": trend,
    "dataset-recorded": dataset_recorded,
    "code-clean": code_clean,
    "environment-locked": environment_locked,
    "artifacts-present": artifacts_present,
    "signature-model": signature_model,
    "approvals": approvals,
    "rollback-target": rollback_target,
    "monitoring-signal": monitoring_signal,
    "no-findings": no_findings,
    "max-cost": max_cost,
    "fresh": fresh,
    "attested": attested,
    "expression": expression,
}

FOR_OTHERS = frozenset({"no-regression", "trend", "rollback-target", "fresh"})
"""Rules by which a version fails for others' sake, or for time's: nothing about it has changed."""

__all__ = ["BASES", "FOR_OTHERS", "RULES", "Options", "Outcome", "Rule"]
