"""The commands, and how their errors leave."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from ..errors import EvidenceError
from ..render.formats import RENDERERS
from .exits import DENIED, EXIT, INTERRUPTED, UNEXPECTED, exit_code
from .options import naming, output_options, place_options
from .output import Output, tell
from .subjects import FORMS, SUBJECT
from .values import TARGET


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mlflow-evidence-plugin")
def cli() -> None:
    """Evidence about MLflow runs and model versions.

    Asks the service at EVIDENCE_URL with EVIDENCE_TOKEN, or works on a tracking store itself.
    """


@cli.command()
@click.argument("subject", type=SUBJECT, metavar="SUBJECT")
@output_options
@place_options
def capture(
    subject: dict[str, str], out: Output, url: str | None, tracking_uri: str | None
) -> None:
    """Capture the evidence of SUBJECT: runs/ID, models/NAME/VERSION or models/NAME@ALIAS."""
    from ..render import summary_rows
    from .backend import backend

    found = backend(url, tracking_uri).capture(subject)
    out.show(found, summary_rows)


@cli.command()
@click.argument("subject", type=SUBJECT, metavar="SUBJECT")
@output_options
@click.option("--save", type=TARGET, help="Also keep it here.")
@click.option(
    "--format",
    "rendering",
    type=click.Choice([one.name for one in RENDERERS]),
    help="The evidence itself in this format, instead of what -o prints.",
)
@place_options
def show(
    subject: dict[str, str],
    out: Output,
    save: Path | None,
    rendering: str | None,
    url: str | None,
    tracking_uri: str | None,
) -> None:
    """Show the newest evidence of SUBJECT; with --save, keep it as a file that `verify` takes."""
    from ..render import summary_rows
    from .backend import backend

    if rendering and out.query:
        raise click.UsageError("--format prints the evidence whole: --query goes without it")
    data = backend(url, tracking_uri).show(subject, rendering or "json")
    if save:
        save.write_bytes(data)
    if not rendering:
        out.show(json.loads(data), summary_rows)
    elif not save:
        click.echo(data, nl=False)


@cli.command()
@click.argument("subject", type=SUBJECT, metavar="SUBJECT")
@click.option("-e", "--environment", help="May be left out if the policy has only one.")
@output_options
@place_options
def decide(
    subject: dict[str, str],
    environment: str | None,
    out: Output,
    url: str | None,
    tracking_uri: str | None,
) -> None:
    """May this model version be released? Exit code 0: yes; 1: no, with the reasons."""
    from ..render import decision_rows
    from .backend import backend

    if "model" not in subject:
        raise click.UsageError("a decision is about a model version, not a run")
    with naming(environment):
        found = backend(url, tracking_uri).decide(subject, environment)
    out.show(found, decision_rows)
    if not found.get("allowed"):
        sys.exit(DENIED)


def main() -> None:
    """The console script: our errors as two lines and an exit code, never a traceback."""
    add_commands()
    try:
        sys.exit(cli(standalone_mode=False))
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    except EvidenceError as error:
        tell(error.detail, error.mend)
        code = exit_code(error)
    except OSError as error:
        said = error.strerror or type(error).__name__
        tell(f"{said}: {error.filename or 'the output'}")
        code = UNEXPECTED
    except Exception as error:
        tell(f"an unexpected {type(error).__name__}")
        code = UNEXPECTED
    sys.exit(code)


def add_commands() -> None:
    """The groups that live in files of their own; none of them imports mlflow before it runs."""
    from .approving import approvals, approve, revoke, waive
    from .comparing import compare, history
    from .completion import completion
    from .doctor import doctor
    from .drift import drift
    from .erase import erase
    from .inventory import inventory
    from .ledger import ledger
    from .model import model
    from .operate import db, key
    from .policy import policy
    from .run import run
    from .stamp import stamp
    from .store import store
    from .ticket import ticket
    from .token import token
    from .verifying import archive, verify

    for command in (
        archive,
        verify,
        doctor,
        run,
        model,
        store,
        stamp,
        inventory,
        drift,
        ticket,
        erase,
        approve,
        approvals,
        revoke,
        waive,
        compare,
        history,
        policy,
        ledger,
        token,
        db,
        key,
        completion,
    ):
        cli.add_command(command)


__all__ = ["EXIT", "FORMS", "cli", "main"]
