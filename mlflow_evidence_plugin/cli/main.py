"""The commands, and how their errors leave."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from .. import errors
from ..errors import EvidenceError
from . import output
from .subjects import FORMS, SUBJECT

EXIT: dict[type[EvidenceError], int] = {
    errors.BadSignature: 3,
    errors.BadEnvelope: 3,
    errors.BadRecord: 3,
    errors.NoTrust: 3,
    errors.NotFound: 4,
    errors.Unauthorized: 5,
    errors.Forbidden: 5,
    errors.StoreRefused: 5,
    errors.StoreUnavailable: 6,
    errors.StorageUnavailable: 6,
    errors.ServiceUnavailable: 6,
    errors.BadConfig: 7,
    errors.NoPolicy: 7,
    errors.SchemaTooNew: 7,
    errors.NotInstalled: 7,
    errors.BadInput: 2,
}
"""Exit codes by error; 1 is a denial or a failed check, 70 what nobody foresaw."""

DENIED = 1
UNVERIFIED = 3
UNEXPECTED = 70
INTERRUPTED = 130

form_option = click.option(
    "-o",
    "--output",
    "form",
    type=click.Choice(["json", "table"]),
    default=output.default_format,
    show_default="table on a terminal, else json",
)


def place_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--url` for the service, `--tracking-uri` for a store."""
    command = click.option("--url", envvar="EVIDENCE_URL", help="The evidence service.")(command)
    return click.option("--tracking-uri", help="Straight on a tracking store, without a service.")(
        command
    )


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mlflow-evidence-plugin")
def cli() -> None:
    """Evidence about MLflow runs and model versions.

    Asks the service at EVIDENCE_URL with EVIDENCE_TOKEN, or works on a tracking store itself.
    """


@cli.command()
@click.argument("subject", type=SUBJECT, metavar="SUBJECT")
@form_option
@place_options
def capture(subject: dict[str, str], form: str, url: str | None, tracking_uri: str | None) -> None:
    """Capture the evidence of SUBJECT: runs/ID, models/NAME/VERSION or models/NAME@ALIAS."""
    from ..render import summary_rows
    from .backend import backend

    found = backend(url, tracking_uri).capture(subject)
    output.show(form, found, summary_rows(found), ("", ""))


@cli.command()
@click.argument("subject", type=SUBJECT, metavar="SUBJECT")
@form_option
@click.option("--save", type=click.Path(path_type=Path, dir_okay=False), help="Also keep it here.")
@place_options
def show(
    subject: dict[str, str],
    form: str,
    save: Path | None,
    url: str | None,
    tracking_uri: str | None,
) -> None:
    """Show the newest evidence of SUBJECT; with --save, keep it as a file that `verify` takes."""
    from ..render import summary_rows
    from .backend import backend

    data = backend(url, tracking_uri).show(subject)
    if save:
        save.write_bytes(data)
    found = json.loads(data)
    output.show(form, found, summary_rows(found), ("", ""))


@cli.command()
@click.argument("subject", type=SUBJECT, metavar="SUBJECT")
@click.option("-e", "--environment", help="May be left out if the policy has only one.")
@form_option
@place_options
def decide(
    subject: dict[str, str],
    environment: str | None,
    form: str,
    url: str | None,
    tracking_uri: str | None,
) -> None:
    """May this model version be released? Exit code 0: yes; 1: no, with the reasons."""
    from ..render import decision_rows
    from .backend import backend

    if "model" not in subject:
        raise click.UsageError("a decision is about a model version, not a run")
    found = backend(url, tracking_uri).decide(subject, environment)
    output.show(form, found, decision_rows(found), ("", ""))
    if not found.get("allowed"):
        sys.exit(DENIED)


@cli.command()
@click.argument("file", type=click.File("rb"))
@click.option(
    "--key",
    "keys",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A public key (PEM) that you trust; got from the operator, not from the evidence.",
)
@form_option
def verify(file: Any, keys: tuple[Path, ...], form: str) -> None:
    """Verify evidence offline. Exit code 0: it holds; 3: it does not."""
    try:
        from ..signing import Keyring
        from ..verify import verify_bundle
    except ImportError as error:
        mend = "pip install 'mlflow-evidence-plugin[verify]'"
        raise errors.NotInstalled(f"to verify, {error.name} is missing", mend) from error

    report = verify_bundle(file.read(), Keyring.of(key.read_bytes() for key in keys))
    rows = [(c.name, "ok" if c.passed else f"FAILED ({c.code})", c.detail) for c in report.checks]
    rows += [("unproven", "", one) for one in report.unproven]
    output.show(form, report.document(), rows, ("check", "", ""))
    if not report.passed:
        sys.exit(UNVERIFIED)


def main() -> None:
    """The console script: our errors as two lines and an exit code, never a traceback."""
    from .doctor import doctor
    from .token import token

    cli.add_command(doctor)
    cli.add_command(token)
    try:
        sys.exit(cli(standalone_mode=False))
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    except EvidenceError as error:
        click.echo(f"error: {error.detail}", err=True)
        if error.mend:
            click.echo(f"  mend: {error.mend}", err=True)
        code = exit_code(error)
    except OSError as error:
        said = error.strerror or type(error).__name__
        click.echo(f"error: {said}: {error.filename or 'the output'}", err=True)
        code = UNEXPECTED
    except Exception as error:
        click.echo(f"error: an unexpected {type(error).__name__}", err=True)
        code = UNEXPECTED
    sys.exit(code)


def exit_code(error: EvidenceError) -> int:
    """The exit code of one of our errors."""
    return next((code for kind, code in EXIT.items() if isinstance(error, kind)), UNEXPECTED)


__all__ = ["EXIT", "FORMS", "cli", "main"]
