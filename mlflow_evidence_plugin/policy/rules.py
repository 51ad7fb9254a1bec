"""The built-in rules: each looks at a case and says what it found, what was asked, how to mend.

A rule that cannot know has not passed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ..record import Record
from ..tags import PREFIX
from .case import Baseline, Case

Options = Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """A rule's answer."""

    passed: bool
    found: str
    asked: str
    mend: str = ""


Rule = Callable[[Case, Options], Outcome]


def tracked_run(case: Case, _: Options) -> Outcome:
    """The version must come from a run that the tracking store knows."""
    run_id = case.record.value("run", "run_id")
    if run_id and case.record.subject.model and not case.record.facts("model_files"):
        return Outcome(
            False,
            f"run {run_id}, but no file of the version could be read",
            "a source run in the tracking store, and the files that would be released",
            "see the gaps of the evidence; EVIDENCE_SERVICE_ARTIFACT_ROOTS names what may be read",
        )
    return Outcome(
        bool(run_id),
        f"run {run_id}" if run_id else "no source run",
        "a source run in the tracking store",
        "train within an MLflow run, and register the model from that run",
    )


def run_finished(case: Case, _: Options) -> Outcome:
    """The source run must have ended well."""
    status = case.record.value("run", "status") or "unknown"
    mend = "capture again when the run has ended, or register a run that ended well"
    return Outcome(status == "FINISHED", f"status {status}", "status FINISHED", mend)


def required_tags(case: Case, options: Options) -> Outcome:
    """Tags that the run must carry: governance names (`owner`) or full tag names."""
    wanted = options["tags"]
    missing = [name for name in wanted if not _tag(case.record, name)]
    return Outcome(
        not missing,
        "missing: " + ", ".join(missing) if missing else "all there",
        "tags " + ", ".join(wanted),
        f"set {_how_to_set(missing)}, train again and register the new run",
    )


def required_metrics(case: Case, options: Options) -> Outcome:
    """Metrics that the run must have logged, as numbers."""
    wanted = options["metrics"]
    missing = [name for name in wanted if _metric(case.record, name) is None]
    return Outcome(
        not missing,
        "missing or not a number: " + ", ".join(missing) if missing else "all there",
        "metrics " + ", ".join(wanted),
        "log them with mlflow.log_metric and register the new run",
    )


def metric_threshold(case: Case, options: Options) -> Outcome:
    """A metric's bounds, both inclusive."""
    name = options["metric"]
    bounds = [(word, Decimal(str(options[word]))) for word in ("min", "max") if word in options]
    asked = f"{name} " + " and ".join(f"{word} {bound}" for word, bound in bounds)
    mend = "improve the model, or change the bound in the policy with a reason"
    value = _metric(case.record, name)
    if value is None:
        return Outcome(False, _unknown(case.record, name), asked, f"log {name} as a finite number")
    within = all(value >= b if word == "min" else value <= b for word, b in bounds)
    return Outcome(within, f"{name} {value}", asked, mend)


def no_regression(case: Case, options: Options) -> Outcome:
    """A metric may not be worse than the baseline's by more than the tolerance."""
    name, alias = options["metric"], options["baseline"]["alias"]
    higher = options.get("direction", "higher") == "higher"
    tolerance = Decimal(str(options.get("tolerance", 0)))
    asked = (
        f"{name} not {'lower' if higher else 'higher'} than that of the version "
        f"holding alias {alias}, tolerance {tolerance}"
    )
    baseline = case.baselines.get(alias) or Baseline(problem="it was not looked up")
    if baseline.version is None and baseline.problem is None:
        first = options.get("if_no_baseline", "fail") == "pass"
        mend = f"set the alias {alias}, or say if_no_baseline: pass for a first release"
        return Outcome(first, f"no version holds alias {alias}", asked, mend)
    if baseline.record is None:
        why = baseline.problem or f"there is no evidence of version {baseline.version}"
        mend = "capture the evidence of the version that holds the alias, then ask again"
        return Outcome(False, f"the baseline is unknown: {why}", asked, mend)
    mine, theirs = _metric(case.record, name), _metric(baseline.record, name)
    if mine is None or theirs is None:
        lacking = case.record if mine is None else baseline.record
        found = f"{lacking.subject.name}: {_unknown(lacking, name)}"
        return Outcome(False, found, asked, f"log {name} in both runs, as a finite number")
    worse = theirs - mine if higher else mine - theirs
    return Outcome(
        worse <= tolerance,
        f"{name} {mine}, version {baseline.version} has {theirs}: "
        + (
            f"worse by {worse}" if worse > 0 else f"better by {-worse}" if worse < 0 else "the same"
        ),
        asked,
        "find what changed between the two runs (parameters, data, code); train again",
    )


RULES: Mapping[str, Rule] = {
    "tracked-run": tracked_run,
    "run-finished": run_finished,
    "required-tags": required_tags,
    "required-metrics": required_metrics,
    "metric-threshold": metric_threshold,
    "no-regression": no_regression,
}


def _tag(record: Record, name: str) -> str | None:
    governance = record.value("governance", name.removeprefix(PREFIX))
    found: str | None = governance or record.value("tags", name)
    return found


def _how_to_set(names: list[str]) -> str:
    shown = [f"EVIDENCE_{n.upper()}" for n in names if "." not in n]
    return ", ".join(shown + [n for n in names if "." in n]) + " (or evidence.toml)"


def _metric(record: Record, name: str) -> Decimal | None:
    found = record.value("metrics", name)
    value = Decimal(found["value"]) if found else None
    return value if value is not None and value.is_finite() else None


def _unknown(record: Record, name: str) -> str:
    found = record.value("metrics", name)
    return f"{name} is {found['value']}" if found else f"{name} was not logged"
