"""Rules about the model: its files, its signature, and the version to go back to."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from ...errors import BadRecord
from ...record import Record
from ...record.canonical import loads
from ...record.facts import NO_SIGNATURE
from ..case import PREVIOUS, Case, Target
from ..model import key_of
from .outcome import Options, Outcome, age, based, listed

EXAMPLES = ("input_example.json", "serving_input_example.json")
HISTORY = "mlflow.log-model.history"
"""The tag in which MLflow 2 keeps what each logged model is, its signature too."""


def artifacts_present(case: Case, options: Options) -> Outcome:
    """Files must be there, of the model or of the run, none of them larger than is allowed."""
    known = list(_files(case.record, options.get("of")))
    limit = options.get("max_bytes")
    missing: list[str] = []
    seen: dict[int, tuple[str, Any]] = {}
    for glob in options["paths"]:
        # Of what fnmatch knows only * and ? are meant: `data[1].csv` is a name.
        plain = glob.replace("[", "[[]")
        found = {n: one for n, one in enumerate(known) if fnmatchcase(one[0], plain)}
        seen |= found
        missing += [] if found else [glob]
    large = [
        path for path, one in seen.values() if limit is not None and one["value"]["size"] > limit
    ]
    told = [f"missing: {listed(missing)}"] if missing else []
    told += [f"larger: {listed(large)}"] if large else []
    asked = f"files {', '.join(options['paths'])}"
    asked += f" of at most {limit} bytes" if limit is not None else ""
    mend = "log them with the run or its model, and register the new run; see the gaps, too"
    outcome = Outcome(not told, "; ".join(told) or f"{len(seen)} files", asked, mend)
    return based(outcome, dict(seen.values()), options)


def _files(record: Record, of: str | None) -> Iterator[tuple[str, Any]]:
    """Path and fact of each file, of the model or of the run; where it is not said, of both."""
    for name, section in (("run", "outputs"), ("model", "model_files")):
        if of in (None, name):
            yield from record.facts(section).items()


def signature_model(case: Case, options: Options) -> Outcome:
    """The model must have a signature, or an example of what goes in."""
    record = case.record
    has = {"signature": _signed(record), "input_example": _exemplified(record)}
    wanted = options.get("require")
    passed = all(has[one] for one in wanted) if wanted else any(has.values())
    words = {True: "yes", False: "no", None: "unknown"}
    return Outcome(
        passed,
        f"signature: {words[has['signature']]}, input example: {words[has['input_example']]}",
        " and ".join(wanted) if wanted else "a signature or an input example",
        "log the model with signature= and input_example=, and register the new run",
    )


def _exemplified(record: Record) -> bool | None:
    """Whether one of MLflow's files with an example lies in the model's folder."""
    files = record.facts("model_files")
    if not files:
        return None
    return any(name in files for name in EXAMPLES)


def _signed(record: Record) -> bool | None:
    """What the model's own file says, or MLflow 2 noted at the run; None where nothing says it."""
    told = record.value("version", "signature")
    if told is not None:
        return bool(told != NO_SIGNATURE)
    source = str(record.value("version", "source") or "")
    for one in _logged(record):
        path = one.get("artifact_path")
        if isinstance(path, str) and path and source.rstrip("/").endswith("/" + path):
            return bool(one.get("signature")) or None
    return None


def _logged(record: Record) -> Iterator[dict[str, Any]]:
    try:
        history = loads(record.value("tags", HISTORY) or "[]")
    except BadRecord:  # somebody else wrote it, or it was masked
        return
    for one in reversed(history) if isinstance(history, list) else ():
        if isinstance(one, dict):
            yield one


def rollback_target(case: Case, options: Options) -> Outcome:
    """There must be a version to go back to, which may itself be released."""
    key = key_of(options.get("target", "previous"))
    what = "the previous version" if key == PREVIOUS else f"the version holding alias {key}"
    expired = bool(options.get("accept_expired", False))
    asked = f"{what} to go back to, passed{'' if expired else ' and not expired'}"
    target = case.targets.get(key) or Target(problem="it was not looked up")
    if target.problem is not None:
        mend = "ask again" if key != PREVIOUS else "capture it again, then ask"
        return Outcome(False, f"it is unknown: {target.problem}", asked, mend)
    if target.version is None:
        first = options.get("if_no_target", "fail") == "pass"
        found = "no previous version" if key == PREVIOUS else f"no version holds alias {key}"
        return Outcome(first, found, asked, "say if_no_target: pass for a first release")
    if target.version == case.record.subject.version:
        mend = f"leave the alias {key} with the version before this one"
        return Outcome(False, "it is this very version", asked, mend)
    told, passed = _state(target, case.at, expired)
    mend = f"ask for the decision on version {target.version}, and mend what it says"
    if target.passed_at is not None:
        mend += "; accept_expired: true takes its pass of before"
    elif target.status == "failed":
        mend += "; where nothing can be mended, have the target be an alias of a good version"
    until = target.expires_at if passed and not expired else None
    return Outcome(passed, f"version {target.version}, {told}", asked, mend, until)


def _state(target: Target, at: str, accept_expired: bool) -> tuple[str, bool]:
    if target.status is None:
        return "which was never judged", False
    if target.passed_at is not None:
        return f"which passed at {target.passed_at} and has {target.status} since", accept_expired
    if target.status != "passed":
        return f"which has {target.status}", False
    left = age(target.expires_at, at)
    if left is not None and left.total_seconds() < 0:
        return "which has passed", True
    return f"of which the pass ran out at {target.expires_at or 'an unknown time'}", accept_expired
