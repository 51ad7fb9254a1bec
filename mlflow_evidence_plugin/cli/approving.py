"""`approve`, `approvals`, `revoke` and `waive`: what people decide, said to the service."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import click

from .options import output_options, url_option
from .output import Output
from .subjects import SUBJECT
from .text import cell
from .values import INSTANT

HEAD = (
    *("state", "decision", "approver", "role", "basis", "at", "expires_at", "ticket", "comment"),
    "statement",
)

Command = Callable[..., Any]


def _service(command: Command) -> Command:
    """`--url`: somebody's word needs their own token, so that a service is asked."""
    return url_option(required=True)(command)


@click.command()
@click.argument("subject", type=SUBJECT, metavar="SUBJECT")
@click.option("--role", required=True, help="One of your token's roles.")
@click.option("--reject", is_flag=True, help="Say no instead: it blocks until it is taken back.")
@click.option("--for", "approver", help="Whom you speak for; it is then only claimed.")
@click.option("--comment", help="Why.")
@click.option("--ticket", help="Such as CHG0042.")
@click.option(
    "--until",
    "expires_at",
    type=INSTANT,
    help="When it ends, as 2026-12-01T18:00:00Z; a date alone is its start, in UTC.",
)
@output_options
@_service
def approve(
    subject: dict[str, str], role: str, reject: bool, out: Output, url: str, **told: str | None
) -> None:
    """Approve the release that SUBJECT's newest evidence is about.

    It counts for as long as outputs, metrics, inputs and code are what they are.
    """
    client, digest = _newest(url, subject)
    said = {"role": role, "decision": "rejected" if reject else "approved"}
    made = client.approve(digest, said | {k: v for k, v in told.items() if v is not None})
    out.show(made, _fields)


@click.command()
@click.argument("subject", type=SUBJECT, metavar="SUBJECT")
@output_options
@_service
def approvals(subject: dict[str, str], out: Output, url: str) -> None:
    """Approvals and waivers of SUBJECT, and which of them count for its newest evidence."""
    client, digest = _newest(url, subject)
    out.show(client.approvals(digest), _rows, HEAD)


@click.command()
@click.argument("subject", type=SUBJECT, metavar="SUBJECT")
@click.argument("statement")
@click.option("--comment", help="Why.")
@output_options
@_service
def revoke(
    subject: dict[str, str], statement: str, comment: str | None, out: Output, url: str
) -> None:
    """Take the approval STATEMENT of yours back. It stays in the log, and no longer counts."""
    client, digest = _newest(url, subject)
    out.show(client.revoke(digest, statement, comment), _fields)


@click.command()
@click.argument("subject", type=SUBJECT, metavar="SUBJECT")
@click.option("-e", "--environment", required=True)
@click.option("--rule", required=True, help="Its name; with its options where there are several.")
@click.option("--reason", required=True, help="Every verdict that rests on it says so.")
@click.option(
    "--until",
    "expires_at",
    type=INSTANT,
    required=True,
    help="When it ends: 366 days at the most. A date alone is its start, in UTC.",
)
@click.option("--ticket", help="Such as CHG0042.")
@output_options
@_service
def waive(subject: dict[str, str], out: Output, url: str, **told: str | None) -> None:
    """Answer for the failure of a rule, for SUBJECT's newest evidence (scope `policy`)."""
    client, digest = _newest(url, subject)
    made = client.waive(digest, {k: v for k, v in told.items() if v is not None})
    out.show(made, _fields)


def _newest(url: str, subject: dict[str, str]) -> tuple[Any, str]:
    from ..client import EvidenceClient
    from .backend import token_of

    client = EvidenceClient(url, token_of("EVIDENCE_TOKEN"))
    return client, json.loads(client.evidence(subject))["digest"]


def _fields(found: dict[str, Any]) -> list[tuple[str, str]]:
    return [(name, cell(value)) for name, value in found.items() if value is not None]


def _rows(found: dict[str, Any]) -> list[list[str]]:
    rows = [[cell(one[name]) for name in HEAD] for one in found["approvals"]]
    for one in found["waivers"]:
        told = {**one, "decision": "waived", "approver": one["by"], "role": one["rule"]}
        told["comment"] = one["reason"]
        rows.append([cell(told.get(name)) for name in HEAD])
    return rows
