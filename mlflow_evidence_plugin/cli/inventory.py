"""`inventory`: what one or several services know of, whose it is, and what each lacks."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from ..errors import BadConfig, EvidenceError
from ..render.inventory import COST_CENTER, OWNER, groups
from .exits import AWAY, exit_code
from .options import output_options
from .output import Output, tell
from .text import Row, cell

if TYPE_CHECKING:
    from ..client import EvidenceClient

SHOWN = (
    *("subject", "owner", "team", "cost_center", "ticket", "experiment", "run_id", "digest"),
    *("captured_at", "stale", "listed", "verdicts", "approvals", "artifact_bytes", "duration_ms"),
)
HEADER = ("service", "subject", "owner", "cost_center", "captured_at", "verdicts", "lacks")
GROUPED = ("group", "subjects", "artifact_bytes", "duration_ms", "unmeasured", "lacks")

_NAMED = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9_-]*)=(?P<url>.+)")


@dataclass(frozen=True)
class Service:
    """A service under the name that it has here."""

    name: str
    client: EvidenceClient


@click.command()
@click.option("--service", "named", multiple=True, metavar="NAME=URL", help="Repeatable.")
@click.option("--lacks", help="Only what lacks this, such as evidence, owner or approval.")
@click.option("--owner", help="Only what is theirs.")
@click.option("--cost-center", help="Only what it pays for.")
@click.option("--model", help="Only the versions of this model.")
@click.option("-e", "--environment", help="Ask for the approvals that its policy asks for.")
@click.option("--days", type=click.IntRange(0), help="Evidence not seen for so long is stale.")
@click.option("--captured", is_flag=True, help="What was captured, without asking the store.")
@click.option("--by", type=click.Choice([OWNER, COST_CENTER]), help="Add up for each.")
@click.option(
    "--max",
    "most",
    type=click.IntRange(1),
    default=1000,
    show_default=True,
    help="Subjects of each service.",
)
@output_options
def inventory(
    named: tuple[str, ...], most: int, by: str | None, captured: bool, out: Output, **which: Any
) -> None:
    """List model versions and runs in one or several services, and what each of them lacks.

    The token for --service prod=URL is in EVIDENCE_TOKEN_PROD. Without --service: EVIDENCE_URL and
    EVIDENCE_TOKEN. If a service, or its store, does not answer, the rest is shown, and the exit
    code is 6.
    """
    asked = {name: value for name, value in which.items() if value is not None}
    asked |= {"source": "evidence"} if captured else {}
    found: dict[str, Any] = {"items": [], "problems": [], "truncated": []}
    codes = [_add(found, service, asked, most) for service in _services(named)]
    if by is not None:
        found["items"] = groups(found["items"], by)
    out.show(found, _groups if by else _rows, GROUPED if by else HEADER, items="items")
    for problem in found["problems"]:
        tell(f"{problem['service']}: {problem['detail']}", problem["mend"])
    for name in found["truncated"]:
        click.echo(f"{name}: only the first {most} subjects; --max shows more", err=True)
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


def _add(found: dict[str, Any], service: Service, asked: Mapping[str, Any], most: int) -> int:
    left, code = most, 0
    try:
        for page in service.client.inventory(asked):
            for one in page["items"][:left]:
                facts = {name: one.get(name) for name in SHOWN}
                lacks = one.get("lacks") or []
                found["items"].append({"service": service.name, **facts, "lacks": lacks})
            code = max(code, _away(found, service, page.get("problem")))
            left -= len(page["items"])
            if left < 0 or (left == 0 and page.get("next")):
                found["truncated"].append(service.name)
                break
    except EvidenceError as error:
        told = {"code": error.code, "detail": error.detail, "mend": error.mend}
        found["problems"].append({"service": service.name, **told})
        code = exit_code(error)
    return code


def _away(found: dict[str, Any], service: Service, problem: Mapping[str, str] | None) -> int:
    """The store did not answer the service, which told what was captured instead."""
    if problem is None:
        return 0
    mend = "these subjects have evidence; ask again for those without when the store is back"
    found["problems"].append({"service": service.name, **problem, "mend": mend})
    return AWAY


def _rows(found: dict[str, Any]) -> list[Row]:
    rows: list[Row] = [[_cell(item, name) for name in HEADER] for item in found["items"]]
    return rows + [(one["service"], f"({one['detail']})") for one in found["problems"]]


def _groups(found: dict[str, Any]) -> list[Row]:
    rows: list[Row] = [[_cell(item, name) for name in GROUPED] for item in found["items"]]
    return rows + [(f"({one['service']}: {one['detail']})",) for one in found["problems"]]


def _cell(item: dict[str, Any], name: str) -> str:
    value = item[name]
    if isinstance(value, dict):
        return ", ".join(f"{key}: {told}" for key, told in value.items())
    if name == "group" and value is None:
        return "(nobody)"
    return cell(value)
