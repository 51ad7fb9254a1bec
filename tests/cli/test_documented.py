"""docs/cli.md names every command, and its examples are ones that the program takes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from mlflow_evidence_plugin.cli.main import add_commands, cli

PAGE = (Path(__file__).parents[2] / "docs/cli.md").read_text("utf-8")
EXAMPLES = re.findall(r"^mlflow-evidence (.*?)(?: > .*)?$", PAGE, re.M)
OURS = ("run", "model", "store", "inventory")


def commands(group: click.Group, before: str = "") -> Iterator[tuple[str, click.Command]]:
    add_commands()
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{before}{name} ")
        else:
            yield before + name, command


@pytest.mark.parametrize("name", [name for name, _ in commands(cli)])
def test_every_command_is_documented(name):
    assert re.search(rf"`{name}[ `]", PAGE)


@pytest.mark.parametrize(("name", "command"), commands(cli), ids=lambda one: str(one))
def test_every_command_with_a_document_takes_the_same_forms(name, command):
    options = {word for one in command.params for word in one.opts}
    bare = name in ("token create", "token revoke", "key create", "completion")
    assert ({"-o", "--output", "--query"} <= options) is not bare


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_taken(example):
    command, words = cli, shlex.split(example)
    while isinstance(command, click.Group):
        command = command.commands[words.pop(0)]
    command.make_context("mlflow-evidence", words)


def test_there_are_examples_for_each_group():
    assert {example.split()[0] for example in EXAMPLES} >= set(OURS)
