"""Compare records, and follow a metric over an experiment: by what is kept, without MLflow."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from ..errors import BadInput, NotFound
from ..record.compare import HIGHER, LOWER, MOST, comparison
from ..record.regressions import Question, Step, history, step
from ..storage import Bundles, Principal, StoredBundle

RUNS = 500
"""Of a history, at the most."""

KNOWN = 50
"""Metrics that are named where another was asked for."""

FORMS = "sha256:DIGEST, runs/ID, models/NAME/VERSION or models/NAME@ALIAS"
_FORMS = [
    re.compile(form)
    for form in (
        r"(?P<digest>sha256:[0-9a-f]{64})",
        r"runs/(?P<run_id>[^/]+)",
        r"models/(?P<model>[^/]+)/(?P<version>[^/]+)",
        r"models/(?P<model>[^/]+)@(?P<alias>[^/@]+)",
    )
]
_TOLERANCE = re.compile(r"(?P<number>\d{1,9}(\.\d{1,9})?)(?P<percent>%?)", re.ASCII)


def parts(named: str) -> dict[str, str]:
    """What a subject's name says: `digest`, `run_id`, `model` with `version` or `alias`."""
    found = next((one for form in _FORMS if (one := form.fullmatch(named))), None)
    if found is None:
        raise BadInput(f"{named!r} names no evidence", f"write {FORMS}")
    return found.groupdict()


def compare(found: Sequence[StoredBundle], directions: Mapping[str, str]) -> dict[str, Any]:
    """The first bundle against the others. BadInput for too few or too many."""
    if not 2 <= len(found) <= MOST:
        raise BadInput(
            f"{len(found)} cannot be compared", f"name a base, and up to {MOST - 1} others"
        )
    told = comparison([one.record().document for one in found], directions)
    base, *others = map(_head, found)
    told["others"] = [{**head, **one} for head, one in zip(others, told["others"], strict=True)]
    return {"base": base, "directions": dict(directions), **told}


def directions(higher: Sequence[str], lower: Sequence[str]) -> dict[str, str]:
    """Which way is better, by metric. BadInput for one that is said to be both."""
    if both := set(higher) & set(lower):
        said = f"of {', '.join(sorted(both))} both directions are said to be better"
        raise BadInput(said, "say either higher or lower")
    return dict.fromkeys(higher, HIGHER) | dict.fromkeys(lower, LOWER)


def tolerance(text: str) -> tuple[Decimal, bool]:
    """`0.02`, or `5%` of the baseline: the number, and whether it is a share."""
    found = _TOLERANCE.fullmatch(text)
    if found is None:
        raise BadInput(f"{text!r} is no tolerance", "write a number such as 0.02, or a share: 5%")
    number, share = Decimal(found["number"]), bool(found["percent"])
    return number / 100 if share else number, share


def over_time(
    bundles: Bundles, experiment: str, question: Question, caller: Principal, limit: int
) -> dict[str, Any]:
    """The metric over the runs captured last, in the order of their starts.

    NotFound where there are none, or none has logged it.
    """
    digests, more = bundles.of_experiment(experiment, caller.view, limit)
    if not digests:
        mend = "check the name; capture its runs: POST /v1/captures, or mlflow-evidence capture"
        raise NotFound(f"there is no evidence of runs of an experiment {experiment}", mend)
    steps: list[Step] = []
    logged: set[str] = set()
    for record in bundles.records(digests):
        steps.append(step(record, question.metric))
        logged |= record.values("metrics").keys()
    if question.metric not in logged:
        known = ", ".join(sorted(logged)[:KNOWN]) or "none"
        raise NotFound(
            f"no captured run of {experiment} has logged {question.metric}",
            f"name one that was logged: {known}",
        )
    items = history(steps, question)
    return {"experiment": experiment, **question.document(), "items": items, "truncated": more}


def _head(bundle: StoredBundle) -> dict[str, Any]:
    run = bundle.record().values("run")
    return {
        "subject": bundle.subject,
        "digest": bundle.digest,
        "run_id": bundle.run_id,
        "run": run.get("name"),
        "experiment": bundle.experiment,
        "started": run.get("started"),
        "captured_at": bundle.captured_at,
    }


__all__ = ["FORMS", "RUNS", "compare", "directions", "over_time", "parts", "tolerance"]
