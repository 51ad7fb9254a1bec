"""Rules about metrics: that they are there, within bounds, and no worse than before.

All arithmetic is decimal, on the values as they were logged.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from ...record.numbers import median
from ..case import Baseline, Case
from ..model import TREND_RUNS, key_of
from .outcome import Options, Outcome, based, metric, metric_facts, unknown_metric


def required_metrics(case: Case, options: Options) -> Outcome:
    """Metrics that the run must have logged, as numbers."""
    wanted = options["metrics"]
    missing = [name for name in wanted if metric(case.record, name) is None]
    outcome = Outcome(
        not missing,
        "missing or not a number: " + ", ".join(missing) if missing else "all there",
        "metrics " + ", ".join(wanted),
        "log them with mlflow.log_metric and register the new run",
    )
    return based(outcome, metric_facts(case.record, wanted), options)


def metric_threshold(case: Case, options: Options) -> Outcome:
    """A metric's bounds, both inclusive."""
    name = options["metric"]
    bounds = [(word, Decimal(str(options[word]))) for word in ("min", "max") if word in options]
    asked = f"{name} " + " and ".join(f"{word} {bound}" for word, bound in bounds)
    mend = "improve the model, or change the bound in the policy with a reason"
    value = metric(case.record, name)
    if value is None:
        mend = f"log {name} as a finite number"
        return Outcome(False, unknown_metric(case.record, name), asked, mend)
    within = all(value >= b if word == "min" else value <= b for word, b in bounds)
    outcome = Outcome(within, f"{name} {value}", asked, mend)
    return based(outcome, metric_facts(case.record, [name]), options)


def no_regression(case: Case, options: Options) -> Outcome:
    """A metric may not be worse than the baseline's by more than the tolerance."""
    name, (holder, first) = options["metric"], _named(options["baseline"])
    asked = f"{name} not {_worse(options)} than that of the {holder}, tolerance {_said(options)}"
    baseline = case.baselines.get(key_of(options["baseline"])) or Baseline(
        problem="it was not looked up"
    )
    if baseline.record is None:
        return _no_baseline(baseline, options, first, asked)
    mine, theirs = metric(case.record, name), metric(baseline.record, name)
    if mine is None or theirs is None:
        lacking = case.record if mine is None else baseline.record
        found = f"{lacking.subject.name}: {unknown_metric(lacking, name)}"
        return Outcome(False, found, asked, f"log {name} in both runs, as a finite number")
    version = baseline.version
    of = f"version {version}" if version else baseline.record.subject.name
    worse = theirs - mine if _higher(options) else mine - theirs
    outcome = Outcome(
        worse <= _tolerance(options, theirs),
        f"{name} {mine}, {of} has {theirs}: {_how(worse)}",
        asked,
        "find what changed between the two runs (parameters, data, code); train again",
    )
    return based(outcome, metric_facts(case.record, [name]), options)


def _named(baseline: Any) -> tuple[str, tuple[str, str] | None]:
    """What a baseline is called, and what is found, and to mend, where there is none.

    The last is None where its absence cannot be a first release.
    """
    if baseline == "previous":
        mend = "say if_no_baseline: pass for a first release"
        return "previous version", ("there is no previous version", mend)
    if "digest" in baseline:
        return f"evidence {baseline['digest']}", None
    alias = baseline["alias"]
    mend = f"set the alias {alias}, or say if_no_baseline: pass for a first release"
    return f"version holding alias {alias}", (f"no version holds alias {alias}", mend)


def _no_baseline(
    baseline: Baseline, options: Options, first: tuple[str, str] | None, asked: str
) -> Outcome:
    if first and baseline.version is None and baseline.problem is None:
        passed = options.get("if_no_baseline", "fail") == "pass"
        return Outcome(passed, first[0], asked, first[1])
    why = baseline.problem or f"there is no evidence of version {baseline.version}"
    mend = "capture the evidence of the version that holds the alias, then ask again"
    if first is None:
        why = baseline.problem or "there is no such evidence"
        mend = "name the digest of evidence that this service has"
    elif "alias" not in options["baseline"]:
        mend = "capture the evidence of the previous version, or of this one where that is gone"
    if baseline.problem is not None and first is not None:
        again = "ask" if "alias" in options["baseline"] else "capture it"
        mend = f"{again} again when the tracking store answers"
    return Outcome(False, f"the baseline is unknown: {why}", asked, mend)


def trend(case: Case, options: Options) -> Outcome:
    """A metric may not be worse than the middle of the experiment's last runs."""
    name, runs = options["metric"], options.get("runs", TREND_RUNS)
    least = options.get("at_least", min(3, runs))
    before = f"the median of the experiment's last {runs} runs"
    asked = f"{name} not {_worse(options)} than {before}, tolerance {_said(options)}"
    facts = metric_facts(case.record, [name])
    mine = metric(case.record, name)
    if mine is None:
        mend = f"log {name} as a finite number"
        return Outcome(False, unknown_metric(case.record, name), asked, mend)
    if case.earlier is None:
        found = "the experiment has more runs than are looked through"
        return Outcome(False, found, asked, "use no-regression, or a fresh experiment")
    values = [metric(one, name) for one in case.earlier[:runs]]
    known = [one for one in values if one is not None]
    if len(known) < least:
        few = f"{len(known)} earlier runs with {name}, {least} are needed"
        passed = options.get("if_too_few", "fail") == "pass"
        mend = "capture the experiment's earlier runs, or say if_too_few: pass"
        return based(Outcome(passed, few, asked, mend), facts, options)
    middle = median(known)
    worse = middle - mine if _higher(options) else mine - middle
    outcome = Outcome(
        worse <= _tolerance(options, middle),
        f"{name} {mine}, the median of {len(known)} runs is {middle}: {_how(worse)}",
        asked,
        "find what changed since those runs (parameters, data, code); train again",
    )
    return based(outcome, facts, options)


def _higher(options: Options) -> bool:
    return bool(options.get("direction", "higher") == "higher")


def _worse(options: Options) -> str:
    return "lower" if _higher(options) else "higher"


def _said(options: Options) -> str:
    if "relative_tolerance" in options:
        return f"{Decimal(str(options['relative_tolerance']))} of its value"
    return str(Decimal(str(options.get("tolerance", 0))))


def _tolerance(options: Options, theirs: Decimal) -> Decimal:
    if "relative_tolerance" in options:
        return abs(theirs) * Decimal(str(options["relative_tolerance"]))
    return Decimal(str(options.get("tolerance", 0)))


def _how(worse: Decimal) -> str:
    return f"worse by {worse}" if worse > 0 else f"better by {-worse}" if worse < 0 else "the same"
