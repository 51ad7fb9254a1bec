"""Rules about the run: whether it is known, how it ended, its data, code and surroundings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from ..case import Case
from .outcome import Options, Outcome, age, based, hours, later, listed


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


def dataset_recorded(case: Case, options: Options) -> Outcome:
    """The run must have logged its datasets, each with a digest."""
    context = options.get("context")
    wanted = {
        name: one
        for name, one in case.record.facts("inputs").items()
        if context is None or one["value"].get("context") == context
    }
    without = [name for name, one in wanted.items() if not one["value"].get("digest")]
    what = f"a dataset with the context {context}" if context else "a dataset"
    if not wanted:
        found = f"none of {len(case.record.facts('inputs'))} inputs" if context else "no inputs"
    elif without:
        found = f"without a digest: {listed(without)}"
    else:
        found = listed(wanted)
    mend = "log it with mlflow.log_input, train again and register the new run"
    outcome = Outcome(bool(wanted) and not without, found, f"{what}, with its digest", mend)
    return based(outcome, wanted, options)


def code_clean(case: Case, options: Options) -> Outcome:
    """The commit must be known, and nothing may have been changed since."""
    facts = case.record.facts("code")
    asked = "a known commit, and no changes that are not in it"
    commit, dirty = (facts.get(name, {}).get("value") for name in ("commit", "dirty"))
    if not commit:
        mend = "train in a git repository with the plugin installed, and register the new run"
        return Outcome(False, "no commit is known", asked, mend)
    if dirty != "false":
        said = "with changes" if dirty == "true" else "it is not known whether with changes"
        mend = "commit everything, train again and register the new run"
        return Outcome(False, f"commit {commit}, {said}", asked, mend)
    known = {name: facts[name] for name in ("commit", "dirty")}
    return based(Outcome(True, f"commit {commit}, unchanged", asked), known, options)


LOCKS = ("distributions", "image")
"""What fixes an environment, if the policy does not say: names of files may stand for anything."""


_PINNED = re.compile(r"@sha256:[0-9a-f]{64}\Z")


def environment_locked(case: Case, options: Options) -> Outcome:
    """Something must fix what the run was run in: a digest of all that was installed."""
    accepted = options.get("accept", LOCKS)
    known = {name: one for name, one in _locks(case).items() if name.split(" ")[0] in accepted}
    mend = "train with the plugin installed, or name the image by digest in EVIDENCE_IMAGE"
    found = listed(known) if known else "nothing fixes the environment"
    outcome = Outcome(bool(known), found, f"a digest of the {' or '.join(accepted)}", mend)
    best = {k: v for k, v in known.items() if based(outcome, {k: v}, options).passed}
    return based(outcome, best or known, options)  # one lock of that basis is enough


def _locks(case: Case) -> Mapping[str, Mapping[str, Any]]:
    found = {}
    for name, one in case.record.facts("environment").items():
        found["distributions" if name == "distributions" else f"files {name}"] = one
    image = case.record.facts("compute").get("image")
    if image and _PINNED.search(str(image["value"])):
        found["image"] = image
    return found


def no_findings(case: Case, options: Options) -> Outcome:
    """No secret may have been found in parameters, tags and files; all must have been scanned."""
    asked = "no secret in parameters, tags and files"
    found = case.record.value("findings", "secrets")
    if found is None:
        return Outcome(False, "nobody has looked for secrets", asked, "capture it again")
    if found:
        places = listed(f"{one['kind']} in {one['place']}" for one in found)
        mend = "make the secret invalid, take it out, train again and register the new run"
        return Outcome(False, f"{len(found)}: {places}", asked, mend)
    unread = _unscanned(case)
    if unread and options.get("if_not_scanned", "fail") == "fail":
        mend = "log large texts in parts, or say if_not_scanned: pass"
        return Outcome(False, f"not scanned: {listed(unread)}", asked, mend)
    return Outcome(True, "none", asked)


def _unscanned(case: Case) -> list[str]:
    """Places that could not be looked into: also a file that could not be read."""
    places = ("outputs", "model_files", "run")
    gaps = case.record.document.get("gaps", [])
    return [one["place"] for one in gaps if one["place"].split("/")[0] in places]


def max_cost(case: Case, options: Options) -> Outcome:
    """The run may not have taken more time, or left more bytes, than this."""
    facts = case.record.facts("cost")
    limits = {"duration_ms": options.get("max_minutes"), "artifact_bytes": options.get("max_bytes")}
    units = {"duration_ms": (60_000, "minutes"), "artifact_bytes": (1, "bytes")}
    passed, found, asked, known = True, [], [], {}
    for name, limit in limits.items():
        if limit is None:
            continue
        size, unit = units[name]
        asked.append(f"{limit} {unit}")
        value = facts.get(name, {}).get("value")
        if not isinstance(value, int):
            passed = False
            found.append(f"{unit} unknown")
            continue
        known[name] = facts[name]
        passed = passed and value <= limit * size
        found.append(f"{round(value / size, 2):g} {unit}" if size > 1 else f"{value} {unit}")
    mend = "train with less, or raise the bound in the policy with a reason"
    outcome = Outcome(passed, ", ".join(found), "at most " + ", ".join(asked), mend)
    return based(outcome, known, options)


def fresh(case: Case, options: Options) -> Outcome:
    """The evidence, and the run itself, may not be older than this."""
    ended = case.record.value("run", "ended")
    both = (
        ("max_age_hours", "evidence", case.captured_at, "capture it again"),
        ("max_run_age_hours", "run", ended, "train again, and register the new run"),
    )
    passed, found, asked, mends, ends, coming = True, [], [], [], list[str](), list[str]()
    for name, what, since, mend in both:
        if name not in options:
            continue
        asked.append(f"{what} of the last {options[name]} hours")
        old = age(since, case.at)
        to_come = old is not None and old < timedelta()
        good = old is not None and not to_come and old <= timedelta(hours=options[name])
        passed = passed and good
        told = f" of {hours(old)} ago" if old is not None else ": unknown"
        found.append(f"{what}: of a time to come" if to_come else f"{what}{told}")
        mends += [] if good else [mend]
        ends.append(later(since, options[name]) or case.at)
        coming += [since] if since and to_come else []
    until = min(ends if passed else coming, default=None)
    return Outcome(passed, ", ".join(found), ", ".join(asked), "; ".join(mends), until)
