"""`inventory`: the newest evidence of every subject, over several services."""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from ..errors import BadConfig, EvidenceError
from .exits import exit_code
from .options import output_options
from .output import Output, tell
from .text import Row, cell

if TYPE_CHECKING:
    from ..client import EvidenceClient

HEADER = ("service", "subject", "owner", "ticket", "captured_at", "verdicts", "missing")
SHOWN = ("subject", "digest", "experiment", "owner", "ticket", "captured_at", "verdicts")
WANTED = ("owner", "ticket")
"""Without these nobody can be asked about a release."""

_NAMED = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9_-]*)=(?P<url>.+)")


@dataclass(frozen=True)
class Service:
    """A service under the name that it has here."""

    name: str
    client: EvidenceClient


@click.command()
@click.option("--service", "named", multiple=True, metavar="NAME=URL", help="Repeatable.")
@click.option(
    "--max",
    "most",
    type=click.IntRange(1),
    default=1000,
    show_default=True,
    help="Subjects of each service.",
)
@output_options
def inventory(named: tuple[str, ...], most: int, out: Output) -> None:
    """List the newest evidence of every subject in one or several services, and what it lacks.

    The token for --service prod=URL is in EVIDENCE_TOKEN_PROD. Without --service: EVIDENCE_URL and
    EVIDENCE_TOKEN. If a service does not answer, the others are shown, and the exit code is 6.
    """
    found: dict[str, Any] = {"items": [], "problems": [], "truncated": []}
    codes = [_add(found, service, most) for service in _services(named)]
    out.show(found, _rows, HEADER, items="items")
    for problem in found["problems"]:
        tell(f"{problem['service']}: {problem['detail']}", problem["mend"])
    for name in found["truncated"]:
        click.echo(f"{name}: only the newest {most} subjects; --max shows more", err=True)
    sys.exit(max(codes))


def _services(named: tuple[str, ...]) -> list[Service]:
    # All are looked at before one is asked: a slip in the last shows at once.
    if not named:
        url = os.environ.get("EVIDENCE_URL", "").strip()
        if not url:
            raise BadConfig("no service is named", "give --service NAME=URL, or set EVIDENCE_URL")
        return [_service(url, url, "EVIDENCE_TOKEN")]
    parts = [_NAMED.fullmatch(one) for one in named]
    if None in parts or len({part["name"] for part in parts if part}) < len(parts):
        raise click.UsageError("write each --service as NAME=URL, with a name of its own")
    return [_service(p["name"], p["url"], _variable(p["name"])) for p in parts if p]


def _service(name: str, url: str, variable: str) -> Service:
    from ..client import EvidenceClient  # `verify`, an import away, needs no requests
    from .backend import token_of

    return Service(name, EvidenceClient(url, token_of(variable)))


def _variable(name: str) -> str:
    return f"EVIDENCE_TOKEN_{name.upper().replace('-', '_')}"


def _add(found: dict[str, Any], service: Service, most: int) -> int:
    known: dict[str, dict[str, Any]] = {}
    code = 0
    try:
        if _fill(known, service.client, most):
            found["truncated"].append(service.name)
    except EvidenceError as error:
        told = {"code": error.code, "detail": error.detail, "mend": error.mend}
        found["problems"].append({"service": service.name, **told})
        code = exit_code(error)
    for bundle in known.values():
        missing = [name for name in WANTED if not bundle.get(name)]
        facts = {name: bundle.get(name) for name in SHOWN}
        found["items"].append({"service": service.name, **facts, "missing": missing})
    return code


def _fill(known: dict[str, dict[str, Any]], client: EvidenceClient, most: int) -> bool:
    """The newest evidence by subject, of `most` of them; whether there are more."""
    several: dict[str, list[dict[str, Any]]] = {}
    cut = False
    for bundle in client.bundles():
        subject = str(bundle.get("subject"))
        if cut := subject not in known and len(known) == most:
            break
        known.setdefault(subject, bundle)
        several.setdefault(subject, []).append(bundle)
    for subject, all_of_it in several.items():
        if len(all_of_it) > 1:
            known[subject] = _last(client, all_of_it)
    return cut


def _last(client: EvidenceClient, several: list[dict[str, Any]]) -> dict[str, Any]:
    """Of one subject's evidence what was seen last: it may be again as it was before."""
    first = several[0]
    names = ("model", "version") if first.get("model") else ("run_id",)
    last = client.evidence({name: str(first[name]) for name in names})
    return next((one for one in several if one["digest"] == json.loads(last)["digest"]), first)


def _rows(found: dict[str, Any]) -> list[Row]:
    rows: list[Row] = [[_cell(item, name) for name in HEADER] for item in found["items"]]
    return rows + [(one["service"], f"({one['detail']})") for one in found["problems"]]


def _cell(item: dict[str, Any], name: str) -> str:
    value = item[name]
    if isinstance(value, dict):
        return ", ".join(f"{environment}: {status}" for environment, status in value.items())
    return cell(value)
