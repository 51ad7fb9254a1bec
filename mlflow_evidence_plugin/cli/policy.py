"""`policy`: is a file one, does it judge recorded cases as expected, what would it have blocked."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from ..errors import NotInstalled
from .exits import DENIED
from .options import naming, output_options, place_options
from .output import Output
from .text import Row, cell
from .values import INSTANT

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
BLOCKED = ("blocked", "captured", "by")
FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


@click.group()
def policy() -> None:
    """Check, test and explain a release policy before it is in force."""


@policy.command()
@click.argument("file", type=FILE)
@output_options
def check(file: Path, out: Output) -> None:
    """Is FILE a policy? Exit code 7: no, and where it is not. Says what each environment asks."""
    from ..policy.lint import warnings_of

    known = _read(file)
    environments = {
        name: {"valid_hours": one.valid_hours, "rules": [_shown(spec) for spec in one.rules]}
        for name, one in known.environments.items()
    }
    warnings = [{"where": where, "warning": said} for where, said in warnings_of(known)]
    told = {"digest": known.digest, "environments": environments, "warnings": warnings}
    out.show(told, _checked, ("where", ""))


@policy.command("test")
@click.argument("file", type=FILE)
@click.option("--fixtures", type=FOLDER, required=True, help="A folder of recorded cases.")
@output_options
def try_(file: Path, fixtures: Path, out: Output) -> None:
    """Judge recorded cases by FILE. Exit code 1: one does not come out as it expects."""
    known = _read(file)
    from .cases import recorded, results

    found = [one for case in recorded(fixtures) for one in results(known, case)]
    if not found:
        raise click.UsageError(f"there is no case in {fixtures}")
    failed = sum(not one["ok"] for one in found)
    told = {"policy": known.digest, "cases": len(found), "failed": failed, "items": found}
    header = ("case", "environment", "", "expected", "came out", "reasons")
    out.show(told, _tested, header, items="items")
    if failed:
        sys.exit(DENIED)


@policy.command()
@click.argument("file", type=FILE)
@click.option("-e", "--environment", help="May be left out if the policy has only one.")
@click.option("--model", help="Only evidence of this model.")
@click.option(
    "--since", type=INSTANT, help="Only what was captured since, as 2026-05-01T00:00Z; or a date."
)
@output_options
@place_options
def explain(
    file: Path,
    environment: str | None,
    model: str | None,
    since: str | None,
    out: Output,
    url: str | None,
    tracking_uri: str | None,
) -> None:
    """What would FILE have blocked of all that the service has captured? Nothing is decided."""
    from .backend import backend

    _read(file)
    named = {"environment": environment, "model": model, "since": since}
    asked = {name: value for name, value in named.items() if value is not None}
    place, text = backend(url, tracking_uri), file.read_bytes()
    whole: dict[str, Any] | None = None
    while True:
        with naming(environment):
            page = place.explain(text, asked)
        whole = page if whole is None else _added(whole, page)
        if not page["next"]:
            break
        asked["cursor"] = page["next"]
    del whole["next"]
    header = ("rule", "severity", "passed", "failed", "untold")
    out.show(whole, _explained, header, items="items", then=(_blocked, BLOCKED))


def _added(whole: dict[str, Any], page: dict[str, Any]) -> dict[str, Any]:
    for name in ("looked_at", "passed", "blocked", "undecided"):
        whole[name] += page[name]
    for one, other in zip(whole["rules"], page["rules"], strict=True):
        for name in ("passed", "failed", "untold"):
            one[name] += other[name]
    whole["items"] += page["items"]
    return whole


def _read(file: Path) -> Any:
    try:
        from ..policy import parse

        return parse(file.read_bytes())
    except ImportError as error:
        mend = "pip install 'mlflow-evidence-plugin[verify]'"
        raise NotInstalled(f"to read a policy, {error.name} is missing", mend) from error


def _shown(spec: Any) -> dict[str, Any]:
    severity = "block" if spec.blocks else "warn"
    return {"rule": spec.name, "severity": severity, "options": dict(spec.options)}


def _checked(told: dict[str, Any]) -> list[Row]:
    rows: list[Row] = [("digest", told["digest"])]
    for name, one in told["environments"].items():
        rules = ", ".join(
            rule["rule"] + ("" if rule["severity"] == "block" else " (warns)")
            for rule in one["rules"]
        )
        rows.append((name, f"{rules}; holds {one['valid_hours']} hours"))
    warnings = told["warnings"]
    return rows + [(_place(told, one["where"]), f"warning: {one['warning']}") for one in warnings]


def _place(told: dict[str, Any], where: str) -> str:
    """A place in the file, and of a rule its name: nobody counts rules from 0."""
    path = where.split("/")
    if len(path) != 4 or not path[3].isdecimal():
        return where
    rules = told["environments"][path[1]]["rules"]
    return f"{where} ({rules[int(path[3])]['rule']})"


def _tested(told: dict[str, Any]) -> list[Row]:
    rows: list[Row] = []
    for one in told["items"]:
        state = "ok" if one["ok"] else "FAILED"
        reasons = "; ".join(one["found"]) or "none"
        expected = one["expected"] or {"status": "anything"}
        # What was expected nothing of is left out, but for the status.
        found = {name: one.get(name) for name in {"status": "", **expected}}
        both = (_outcome(expected), _outcome(found))
        rows.append((one["case"], one["environment"], state, *both, reasons))
    return rows


def _outcome(told: dict[str, Any]) -> str:
    """What a case comes to, such as `failed; reasons: fresh`; an empty list is `none`."""
    said = {name: cell(value) or "none" for name, value in told.items()}
    return "; ".join(one if name == "status" else f"{name}: {one}" for name, one in said.items())


def _explained(told: dict[str, Any]) -> list[Row]:
    counts = ("passed", "failed", "untold")
    rows: list[Row] = [
        (one["rule"], one["severity"], *(str(one[name]) for name in counts))
        for one in told["rules"]
    ]
    said = ", ".join(f"{told[name]} {name}" for name in ("passed", "blocked", "undecided"))
    rows.append((f"of {told['looked_at']}: {said}", "", "", "", ""))
    return rows


def _blocked(told: dict[str, Any]) -> list[Row]:
    return [
        (one["subject"], one["captured_at"], ", ".join(r["code"] for r in one["reasons"]))
        for one in told["items"]
    ]
