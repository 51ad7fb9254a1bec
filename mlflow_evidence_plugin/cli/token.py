"""Tokens, for the operator: on the service's own database, not over REST."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import click

from ..errors import NotInstalled
from .options import output_options
from .output import Output
from .text import cell


@click.group()
def token() -> None:
    """Make, list and revoke the service's tokens (on the service's machine)."""


@token.command()
@click.option("--principal", required=True, help="Who it is for: a person or a system.")
@click.option("--scope", "scopes", multiple=True, required=True, help="evidence:read, capture, …")
@click.option("--model", "models", multiple=True, help="Glob of models it may see. Repeatable.")
@click.option(
    "--experiment", "experiments", multiple=True, help="Glob of experiments it may see. Repeatable."
)
@click.option("--role", "roles", multiple=True, help="In which it may approve. Repeatable.")
@click.option("--environment", help="It may then only ask for verdicts in this environment.")
@click.option("--days", type=click.IntRange(1, 3650), default=90, show_default=True)
def create(
    principal: str,
    scopes: tuple[str, ...],
    models: tuple[str, ...],
    experiments: tuple[str, ...],
    roles: tuple[str, ...],
    environment: str | None,
    days: int,
) -> None:
    """Make a token and print it, this once.

    It sees the models and the experiments that its globs name, and nothing else.
    """
    tokens, now = _tokens()
    until = _rfc3339(now + timedelta(days=days))
    if not experiments:
        raise click.UsageError(
            "give --experiment ('*' for all): evidence of a model version holds its source run's, "
            "so that without the run's experiment a token sees no model either"
        )
    who = (principal, scopes, experiments, models)
    click.echo(tokens.create(*who, _rfc3339(now), until, roles, environment))


@token.command("list")
@output_options
def list_tokens(out: Output) -> None:
    """Every token, without its secret."""
    tokens, _ = _tokens()
    names = (
        *("id", "principal", "scopes", "roles", "environment", "models", "experiments"),
        *("expires_at", "revoked_at"),
    )
    out.show(tokens.list(), lambda found: [[cell(one[n]) for n in names] for one in found], names)


@token.command()
@click.argument("token_id")
def revoke(token_id: str) -> None:
    """End a token, within a second. TOKEN_ID is the part between the underscores."""
    tokens, now = _tokens()
    tokens.revoke(token_id, _rfc3339(now))
    click.echo(f"revoked {token_id}", err=True)


def _tokens() -> tuple[Any, Any]:
    try:
        from .. import wiring
        from ..settings import Settings
    except ImportError as error:
        mend = "pip install 'mlflow-evidence-plugin[report]'"
        raise NotInstalled(f"for tokens, {error.name} is missing", mend) from error
    return wiring.open_tokens(Settings.read()), wiring.now()


def _rfc3339(at: Any) -> str:
    from ..policy.decision import rfc3339

    return rfc3339(at)
