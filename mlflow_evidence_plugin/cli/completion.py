"""Completion for shells: click's own."""

from __future__ import annotations

import click

PROGRAM = "mlflow-evidence"
VARIABLE = "_MLFLOW_EVIDENCE_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that completes commands and options in SHELL.

    bash: eval "$(mlflow-evidence completion bash)" in ~/.bashrc.
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"this click cannot complete in {shell}")
    click.echo(kind(context.find_root().command, {}, PROGRAM, VARIABLE).source())
